{{/* The variables that all pods get. Each stands on one line, as YAML. */}}
{{- define "quick.config" -}}
{{- include "quick.checkNames" . -}}
{{- include "quick.checkGiven" . -}}
{{- include "quick.checkKafka" . -}}
{{- $own := include "quick.ownConfig" . | fromYaml -}}
{{- range $name, $value := merge (dict) .Values.quickConfig $own }}
{{ $name | quote }}: {{ include "quick.text" $value | quote }}
{{- end }}
{{- end }}

{{/* What the values above quickConfig say. */}}
{{- define "quick.ownConfig" -}}
KUBERNETES_CLIENT_NAMESPACE: {{ .Release.Namespace | quote }}
{{- if not (hasKey .Values.quickConfig "QUICK_APPLICATIONS_SPEC_IMAGE_PULL_POLICY") }}
QUICK_APPLICATIONS_SPEC_IMAGE_PULL_POLICY: {{ .Values.image.pullPolicy | quote }}
{{- end }}
QUICK_DEFAULT_IMAGE_TAG: {{ include "quick.tag" . | quote }}
{{- with .Values.image.repository }}
QUICK_DOCKER_REGISTRY: {{ . | quote }}
{{- end }}
QUICK_IMAGE_NAME: {{ .Values.image.name | quote }}
{{- with .Values.image.pullSecret }}
QUICK_IMAGE_PULL_SECRET: {{ . | quote }}
{{- end }}
QUICK_INGRESS_CLASS: {{ .Values.ingress.className | quote }}
QUICK_INGRESS_ENTRYPOINT: {{ include "quick.entrypoint" . | quote }}
{{- with .Values.ingress.host }}
QUICK_INGRESS_HOST: {{ . | quote }}
{{- end }}
QUICK_INGRESS_SSL: {{ .Values.ingress.ssl | quote }}
QUICK_K8S_API_KEY_SECRET: {{ include "quick.apiKeySecret" . | quote }}
QUICK_K8S_CONFIG: {{ .Values.configName | quote }}
QUICK_K8S_INSTANCE: {{ .Release.Name | quote }}
{{- with include "quick.kafkaSecret" . }}
QUICK_K8S_KAFKA_SECRET: {{ . | quote }}
{{- end }}
QUICK_K8S_RUN_AS_USER: {{ include "quick.text" .Values.runAsUser | quote }}
QUICK_KAFKA_BOOTSTRAP_SERVER: {{ .Values.kafka.bootstrapServer | quote }}
QUICK_KAFKA_SECURITY_PROTOCOL: {{ .Values.kafka.securityProtocol | quote }}
{{- if hasPrefix "SASL_" .Values.kafka.securityProtocol }}
QUICK_KAFKA_SASL_MECHANISM: {{ .Values.kafka.sasl.mechanism | quote }}
{{- end }}
{{- if hasSuffix "SSL" .Values.kafka.securityProtocol }}
QUICK_KAFKA_SSL_ENDPOINT_IDENTIFICATION: {{ .Values.kafka.ssl.endpointIdentification | quote }}
{{- with .Values.kafka.ssl.ca }}
QUICK_KAFKA_SSL_CA_PEM: {{ . | quote }}
{{- end }}
{{- end }}
{{- with .Values.schemaRegistry.url }}
QUICK_KAFKA_SCHEMA_REGISTRY_URL: {{ . | quote }}
{{- end }}
QUICK_SERVICE_MANAGER: {{ .Values.manager.name | quote }}
{{- if include "quick.hasSchemaRegistry" . }}
QUICK_SERVICE_SCHEMA_REGISTRY: {{ .Values.schemaRegistry.name | quote }}
{{- end }}
{{- end }}

{{/* Says what is wrong before anything is installed; the schema of the values says the rest. */}}
{{- define "quick.checkKafka" -}}
{{- $kafka := .Values.kafka -}}
{{- if not $kafka.bootstrapServer -}}
{{- fail "kafka.bootstrapServer is not set. Set it to the brokers as HOST:PORT, for instance with --set kafka.bootstrapServer=kafka:9092." -}}
{{- end -}}
{{- if hasPrefix "SASL_" $kafka.securityProtocol -}}
{{- if not $kafka.sasl.mechanism -}}
{{- fail (printf "kafka.sasl.mechanism is not set, and kafka.securityProtocol is %s. Set it to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512." $kafka.securityProtocol) -}}
{{- end -}}
{{- if not (or $kafka.existingSecret (and $kafka.sasl.username $kafka.sasl.password)) -}}
{{- fail (printf "kafka.securityProtocol is %s, and nothing says as whom. Set kafka.existingSecret to a Secret with QUICK_KAFKA_SASL_USERNAME and QUICK_KAFKA_SASL_PASSWORD, or kafka.sasl.username and kafka.sasl.password." $kafka.securityProtocol) -}}
{{- end -}}
{{- else if or $kafka.sasl.mechanism $kafka.sasl.username $kafka.sasl.password -}}
{{- fail (printf "kafka.sasl is set, but kafka.securityProtocol is %s, which makes no use of it. Set that to SASL_SSL or SASL_PLAINTEXT, or remove kafka.sasl." $kafka.securityProtocol) -}}
{{- end -}}
{{- if and $kafka.existingSecret (or $kafka.sasl.username $kafka.sasl.password) -}}
{{- fail "kafka.existingSecret and kafka.sasl.username or .password are both set. Keep one of them." -}}
{{- end -}}
{{- if and $kafka.ssl.ca (not (hasSuffix "SSL" $kafka.securityProtocol)) -}}
{{- fail (printf "kafka.ssl.ca is set, but kafka.securityProtocol is %s, which makes no use of it. Set that to SSL or SASL_SSL, or remove kafka.ssl.ca." $kafka.securityProtocol) -}}
{{- end -}}
{{- end }}

{{- define "quick.checkNames" -}}
{{- $names := list .Values.manager.name .Values.ingest.name .Values.schemaRegistry.name -}}
{{- if lt (len (uniq $names)) (len $names) -}}
{{- fail (printf "manager.name, ingest.name and schemaRegistry.name are %s: each Service needs a name of its own." (join ", " $names)) -}}
{{- end -}}
{{- range $names -}}
{{- if or (hasPrefix "quick-gateway-" .) (hasPrefix "quick-mirror-" .) (hasPrefix "quick-app-" .) -}}
{{- fail (printf "%s is a name that a gateway, mirror or application could have. Give the Service another one." .) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Variables that have values of their own, and what these are called. */}}
{{- define "quick.elsewhere" -}}
KUBERNETES_CLIENT_NAMESPACE: the namespace of the release (helm --namespace)
QUICK_DEFAULT_IMAGE_TAG: image.tag
QUICK_DOCKER_REGISTRY: image.repository
QUICK_IMAGE_NAME: image.name
QUICK_IMAGE_PULL_SECRET: image.pullSecret
QUICK_INGRESS_CLASS: ingress.className
QUICK_INGRESS_ENTRYPOINT: ingress.entrypoint
QUICK_INGRESS_HOST: ingress.host
QUICK_INGRESS_SSL: ingress.ssl
QUICK_K8S_API_KEY_SECRET: existingSecret
QUICK_K8S_CONFIG: configName
QUICK_K8S_CONFIG_CHECKSUM: the other values, which it is made from
QUICK_K8S_INSTANCE: the name of the release
QUICK_K8S_KAFKA_SECRET: kafka.existingSecret
QUICK_K8S_RUN_AS_USER: runAsUser
QUICK_KAFKA_BOOTSTRAP_SERVER: kafka.bootstrapServer
QUICK_KAFKA_SASL_MECHANISM: kafka.sasl.mechanism
QUICK_KAFKA_SCHEMA_REGISTRY_URL: schemaRegistry.url
QUICK_KAFKA_SECURITY_PROTOCOL: kafka.securityProtocol
QUICK_KAFKA_SSL_CA_PEM: kafka.ssl.ca
QUICK_KAFKA_SSL_ENDPOINT_IDENTIFICATION: kafka.ssl.endpointIdentification
QUICK_SERVICE_MANAGER: manager.name
QUICK_SERVICE_SCHEMA_REGISTRY: schemaRegistry.name
{{- end }}

{{- define "quick.checkGiven" -}}
{{- $elsewhere := include "quick.elsewhere" . | fromYaml -}}
{{- $secret := list "QUICK_APIKEY" "QUICK_KAFKA_SASL_PASSWORD" "QUICK_KAFKA_SASL_USERNAME" "QUICK_KAFKA_SSL_CERTIFICATE_PEM" "QUICK_KAFKA_SSL_KEY_PASSWORD" "QUICK_KAFKA_SSL_KEY_PEM" "QUICK_REST_HEADERS" -}}
{{- $known := .Files.Lines "variables.txt" -}}
{{- range $name, $value := .Values.quickConfig -}}
{{- if has $name $secret -}}
{{- fail (printf "quickConfig.%s is secret, and every pod of the namespace may read quickConfig. Put it into a Secret, and name that in existingSecret, or in kafka.existingSecret what is for Kafka." $name) -}}
{{- else if hasKey $elsewhere $name -}}
{{- fail (printf "quickConfig.%s is not taken from there. Set this instead: %s." $name (get $elsewhere $name)) -}}
{{- else if and (hasPrefix "QUICK_" $name) (not (has $name $known)) -}}
{{- fail (printf "quickConfig.%s is no variable that Quick takes from there. Look for a typing error; variables.txt in the chart has all of them." $name) -}}
{{- end -}}
{{- end -}}
{{- end }}
