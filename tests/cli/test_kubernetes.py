"""`quick k8s`: what is declared, printed as objects of Kubernetes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml

from k8s.desired import desired
from k8s.documents import as_documents
from k8s.settings import KubernetesSettings
from tests.cli.small_manager import Manager as SmallManager
from tests.k8s.declared_things import declared, gateway, mirror

DECLARED = declared(mirrors=[mirror("orders", 2), mirror("Orders")], gateways=[gateway()])


@pytest.fixture
def manager(manager: SmallManager) -> SmallManager:
    manager.answers(msgspec.to_builtins(DECLARED))
    return manager


def test_everything_that_is_declared_is_printed_as_documents(quick: Any, manager: SmallManager) -> None:
    expected = as_documents(desired(DECLARED, KubernetesSettings()))
    assert (0, expected, "") == quick("k8s", "render")
    assert (0, expected, "") == quick("k8s", "render"), "the same is printed again"
    assert ["/manager/declarations"] * 2 == manager.paths
    kinds = [made["kind"] for made in yaml.safe_load_all(expected)]
    assert (2, 1, 1) == tuple(kinds.count(kind) for kind in ("StatefulSet", "Deployment", "PodDisruptionBudget"))


def test_options_go_before_variables(quick: Any, manager: SmallManager) -> None:
    environment = {
        "QUICK_DEFAULT_IMAGE_TAG": "1",
        "QUICK_MIRROR_STORAGE_SIZE": "2Ti",
        "QUICK_INGRESS_HOST": "a.example",
    }
    options = ("--namespace", "shop", "--registry", "r", "--image", "q", "--tag", "2", "--instance", "i")
    done = quick("k8s", "render", *options, "--host", "b.example", **environment)
    assert (0, "") == (done.code, done.err)
    variables = {
        **environment,
        "KUBERNETES_CLIENT_NAMESPACE": "shop",
        "QUICK_DOCKER_REGISTRY": "r",
        "QUICK_IMAGE_NAME": "q",
        "QUICK_DEFAULT_IMAGE_TAG": "2",
        "QUICK_K8S_INSTANCE": "i",
        "QUICK_INGRESS_HOST": "b.example",
    }
    assert as_documents(desired(DECLARED, KubernetesSettings.from_env(variables))) == done.out
    assert "image: r/q:2\n" in done.out


def test_the_past_can_be_printed(quick: Any, manager: SmallManager) -> None:
    assert 0 == quick("k8s", "render", "--as-of", "17").code
    assert ["/manager/declarations?asOf=17"] == manager.paths


def test_nothing_that_is_declared_is_a_comment(quick: Any, manager: SmallManager) -> None:
    manager.answers(msgspec.to_builtins(declared()))
    assert (0, "# Nothing is declared that runs in Kubernetes.\n", "") == quick("k8s", "render")


def test_an_option_that_kubernetes_would_not_take_is_a_mistake_of_usage(quick: Any, manager: SmallManager) -> None:
    done = quick("k8s", "render", "--namespace", "Shop")
    assert (2, "") == (done.code, done.out)
    assert "Invalid value for '--namespace'" in done.err
    assert "it takes the name of a namespace: a-z, 0-9 and -, at most 63 characters." in done.err
    assert [] == manager.paths


def test_a_variable_that_cannot_be_used_is_named(quick: Any, manager: SmallManager) -> None:
    done = quick("k8s", "render", QUICK_MIRROR_STORAGE_SIZE="much")
    expected = "QUICK_MIRROR_STORAGE_SIZE='much' cannot be used: 'much' is no quantity of Kubernetes."
    assert (1, "", True) == (done.code, done.out, done.err.startswith(expected))
    assert [] == manager.paths


def test_a_manager_that_refuses_is_heard(quick: Any, manager: SmallManager) -> None:
    manager.refuses(400, "Bad Request", "asOf=99 has not come yet: the log ends at position 7.")
    expected = "Bad Request: asOf=99 has not come yet: the log ends at position 7.\nCould not read what is declared\n"
    assert (1, "", expected) == quick("k8s", "render", "--as-of", "99")


@pytest.mark.parametrize("answer", [[], {"position": 1}, {**msgspec.to_builtins(DECLARED), "mirrors": [{"name": "a"}]}])
def test_an_answer_that_is_not_understood_is_an_error(quick: Any, manager: SmallManager, answer: object) -> None:
    manager.answers(answer)
    done = quick("k8s", "render")
    assert (1, "") == (done.code, done.out)
    assert done.err.startswith("The manager answered what this version does not understand (")
    assert done.err.endswith("). Use the version of the manager.\n")
