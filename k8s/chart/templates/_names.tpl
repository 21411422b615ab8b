{{/* Labels of an object of the whole release; of a service, when it is given as `component` and `name`. */}}
{{- define "quick.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | quote }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
app.kubernetes.io/part-of: quick
{{ include "quick.selector" . }}
{{- end }}

{{- define "quick.selector" -}}
app.kubernetes.io/name: {{ .name | default "quick" | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- with .component }}
app.kubernetes.io/component: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "quick.tag" -}}
{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "quick.image" -}}
{{ with .Values.image.repository }}{{ . }}/{{ end }}{{ .Values.image.name }}:{{ include "quick.tag" . }}
{{- end }}

{{/* The Secret with the API key. */}}
{{- define "quick.apiKeySecret" -}}
{{ .Values.existingSecret | default .Values.secretName }}
{{- end }}

{{/* The Secret with the login to Kafka; empty where there is none. */}}
{{- define "quick.kafkaSecret" -}}
{{- if .Values.kafka.existingSecret -}}
{{ .Values.kafka.existingSecret }}
{{- else if .Values.kafka.sasl.password -}}
{{ .Values.kafka.secretName }}
{{- end }}
{{- end }}

{{/* "true" where Quick's own schema registry runs. */}}
{{- define "quick.hasSchemaRegistry" -}}
{{ if and .Values.schemaRegistry.enabled (not .Values.schemaRegistry.url) }}true{{ end }}
{{- end }}

{{- define "quick.entrypoint" -}}
{{ .Values.ingress.entrypoint | default (ternary "websecure" "web" .Values.ingress.ssl) }}
{{- end }}

{{/* A value as the environment holds it: a whole number without an exponent. */}}
{{- define "quick.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}
{{ int64 . }}
{{- else -}}
{{ . }}
{{- end }}
{{- end }}

{{/* The services that this chart runs, as JSON: the role of each, and the values that are about it. */}}
{{- define "quick.services" -}}
{{- $services := list (dict "role" "manager" "values" "manager") (dict "role" "ingest" "values" "ingest") -}}
{{- if include "quick.hasSchemaRegistry" . -}}
{{- $services = append $services (dict "role" "schema-registry" "values" "schemaRegistry") -}}
{{- end -}}
{{ toJson $services }}
{{- end }}
