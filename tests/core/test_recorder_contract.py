"""The eventsourcing library's own contract, on a real broker.

Left out is the case of decisions with tags, `TaggedDecisionCountersProjectionTestCase`: it wants the library's other
kind of persistence module, one with a DCB recorder, which appends under a condition on tags. The command log has
originators and versions, and no tags.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import partialmethod
from pathlib import Path
from typing import Any, ClassVar

import pytest
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    JSONTranscoder,
    ProcessRecorder,
    Tracking,
    TrackingRecorder,
    Transcoder,
    Transcoding,
)
from eventsourcing.projection import ProjectionRunner
from eventsourcing.tests import application as application_contract
from eventsourcing.tests import persistence as contract
from eventsourcing.tests import projection as projection_contract
from eventsourcing.utils import Environment, get_topic

from core.local_recorders import LocalTrackingRecorder
from core.log_recorders import KafkaAggregateRecorder, KafkaApplicationRecorder, KafkaProcessRecorder
from core.recorder import KafkaFactory
from core.shared_logs import close_open_logs
from core.store import Reader, Writer, key_number, number_key
from tests.patience import PATIENCE_S


class OnKafka:
    """Gives each test a topic of its own and closes what it opened."""

    settings: ClassVar[dict[str, str]] = {}

    @pytest.fixture(autouse=True)
    def _kafka(self, kafka: str) -> Iterator[None]:
        self._bootstrap = kafka
        self._factories: list[KafkaFactory] = []
        yield
        for factory in self._factories:
            factory.close()

    def environment(self) -> Environment:
        name = f"contract-{uuid.uuid4().hex}"
        settings = {"PERSISTENCE_MODULE": "core.recorder", "QUICK_KAFKA_BOOTSTRAP_SERVER": self._bootstrap}
        return Environment(name, settings | self.settings)

    def new_factory(self) -> KafkaFactory:
        factory = KafkaFactory(self.environment())
        self._factories.append(factory)
        return factory


class InProcessEnvironment:
    """For cases that construct applications by themselves: settings for them in the process's environment.

    Most of them close nothing, which the library allows.
    """

    @pytest.fixture(autouse=True)
    def _settings(self, kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setenv("PERSISTENCE_MODULE", "core.recorder")
        monkeypatch.setenv("QUICK_KAFKA_BOOTSTRAP_SERVER", kafka)
        monkeypatch.setenv("QUICK_DATA_DIR", str(tmp_path))
        for application in ("APPLICATION", "BANKACCOUNTS", "COUNTERS"):
            monkeypatch.setenv(f"{application}_QUICK_LOG_TOPIC", f"contract-{uuid.uuid4().hex}")
        monkeypatch.setattr(ProjectionRunner, "wait", partialmethod(ProjectionRunner.wait, timeout=PATIENCE_S))
        run_forever = ProjectionRunner.run_forever
        monkeypatch.setattr(ProjectionRunner, "run_forever", lambda runner, **_: run_forever(runner, PATIENCE_S))
        yield
        close_open_logs()


class EventCounters(LocalTrackingRecorder, projection_contract.EventCountersView):
    """The view of the library's projection cases."""

    tables = ("counters",)

    def get_created_event_counter(self) -> int:
        with self.read() as txn:
            return _count(txn, b"created")

    def get_subsequent_event_counter(self) -> int:
        with self.read() as txn:
            return _count(txn, b"subsequent")

    def incr_created_event_counter(self, tracking: Tracking) -> None:
        self.update(tracking, lambda txn: _increment(txn, b"created"))

    def incr_subsequent_event_counter(self, tracking: Tracking) -> None:
        self.update(tracking, lambda txn: _increment(txn, b"subsequent"))


class PatientCounters(EventCounters):
    """The same view, for cases that wait for what comes."""

    wait = partialmethod(EventCounters.wait, timeout=PATIENCE_S)


def _count(txn: Reader, counter: bytes) -> int:
    return key_number(txn.get("counters", counter) or b"")


def _increment(txn: Writer, counter: bytes) -> None:
    txn.put("counters", counter, number_key(_count(txn, counter) + 1))


class TestAggregateRecorder(OnKafka, contract.AggregateRecorderTestCase):
    def create_recorder(self) -> AggregateRecorder:
        return self.new_factory().aggregate_recorder()


class TestAggregateRecorderWithTextIds(TestAggregateRecorder):
    settings: ClassVar = {"ORIGINATOR_ID_TYPE": "text"}

    def new_originator_id(self) -> str:
        return f"dog/{uuid.uuid4()}"


class TestSnapshotRecorder(OnKafka, contract.AggregateRecorderTestCase):
    def create_recorder(self) -> AggregateRecorder:
        return self.new_factory().aggregate_recorder(purpose="snapshots")


class TestApplicationRecorder(OnKafka, contract.ApplicationRecorderTestCase[Any]):
    def create_recorder(self) -> ApplicationRecorder:
        return self.new_factory().application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestApplicationRecorderWithTextIds(TestApplicationRecorder):
    settings: ClassVar = {"ORIGINATOR_ID_TYPE": "text"}

    def new_originator_id(self) -> str:
        return f"dog/{uuid.uuid4()}"


class TestNonInterleaving(OnKafka, contract.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> ApplicationRecorder:
        return self.new_factory().application_recorder()


class TestProcessRecorder(OnKafka, contract.ProcessRecorderTestCase):
    def create_recorder(self) -> ProcessRecorder:
        return self.new_factory().process_recorder()


class TestTrackingRecorder(OnKafka, contract.TrackingRecorderTestCase):
    def create_recorder(self) -> TrackingRecorder:
        return self.new_factory().tracking_recorder()


class TestTrackingOfProcessRecorder(OnKafka, contract.TrackingRecorderTestCase):
    def create_recorder(self) -> TrackingRecorder:
        return self.new_factory().process_recorder()


class TestInfrastructureFactory(OnKafka, contract.InfrastructureFactoryTestCase[KafkaFactory]):
    def setUp(self) -> None:
        self.env = self.environment()
        super().setUp()

    def expected_factory_class(self) -> type[KafkaFactory]:
        return KafkaFactory

    def expected_aggregate_recorder_class(self) -> type[AggregateRecorder]:
        return KafkaAggregateRecorder

    def expected_application_recorder_class(self) -> type[ApplicationRecorder]:
        return KafkaApplicationRecorder

    def expected_tracking_recorder_class(self) -> type[TrackingRecorder]:
        return LocalTrackingRecorder

    def tracking_recorder_subclass(self) -> type[TrackingRecorder]:
        return EventCounters

    def expected_process_recorder_class(self) -> type[ProcessRecorder]:
        return KafkaProcessRecorder


class PlainlyAs(Transcoding):
    """Keeps a *kind* of which JSON knows only the *plain* form."""

    def __init__(self, kind: type, name: str, plain: type) -> None:
        self.type, self.name, self._plain = kind, name, plain

    def encode(self, obj: Any) -> Any:
        return self._plain(obj)

    def decode(self, data: Any) -> Any:
        return self.type(data)


class ExactTranscoder(JSONTranscoder):
    """Keeps tuples and subclasses of what JSON has, too, as the case demands.

    The library's own transcoder does not, and the library's own tests leave those methods out.
    """

    def __init__(self) -> None:
        super().__init__()
        for transcoding in (
            contract.UUIDAsHex(),
            contract.CustomType1AsDict(),
            contract.CustomType2AsDict(),
            PlainlyAs(tuple, "tuple_as_list", list),
            PlainlyAs(contract.Mydict, "mydict", dict),
            PlainlyAs(contract.MyList, "mylist", list),
            PlainlyAs(contract.MyStr, "mystr", str),
            PlainlyAs(contract.MyInt, "myint", int),
        ):
            self.register(transcoding)

    def encode(self, obj: Any) -> bytes:
        return super().encode(self._with_names(obj))

    def _with_names(self, obj: Any) -> Any:
        if (transcoding := self.types.get(type(obj))) is not None:
            return {"_type_": transcoding.name, "_data_": self._with_names(transcoding.encode(obj))}
        if type(obj) is dict:
            return {key: self._with_names(value) for key, value in obj.items()}
        return [self._with_names(value) for value in obj] if type(obj) is list else obj


class TestTranscoder(OnKafka, contract.TranscoderTestCase):
    settings: ClassVar = {"TRANSCODER_TOPIC": get_topic(ExactTranscoder)}

    def construct_transcoder(self) -> Transcoder:
        return self.new_factory().transcoder()


class TestExampleApplication(InProcessEnvironment, application_contract.ExampleApplicationTestCase):
    expected_factory_topic = "core.recorder:KafkaFactory"


class TestApplication(InProcessEnvironment, application_contract.ApplicationTestCase):
    # The case wants to catch the library's own warning, which is an error in these tests.
    @pytest.mark.filterwarnings("always:'log' is deprecated:DeprecationWarning")
    def test_application_log(self) -> None:
        super().test_application_log()


class TestEventCountersView(OnKafka, projection_contract.EventCountersViewTestCase):
    def construct_event_counters_view(self) -> projection_contract.EventCountersView:
        view = self.new_factory().tracking_recorder(EventCounters)
        assert isinstance(view, EventCounters)
        return view


class TestAggregateEventCountersProjection(
    InProcessEnvironment, projection_contract.AggregateEventCountersProjectionTestCase
):
    view_class = PatientCounters

    def test_run_forever_raises_projection_error(self) -> None:
        self.view_class = EventCounters  # It waits for what never comes.
        super().test_run_forever_raises_projection_error()


class TestEventSourcedProjection(InProcessEnvironment, projection_contract.EventSourcedProjectionTestCase):
    pass
