import java.io.File;
import java.nio.ByteBuffer;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * Prints the records a second at which Kafka Streams puts a topic into state stores: from the first record that comes
 * to the last one that is put. Arguments: bootstrap, topic, number of its records, folder for state, and one of
 *
 * memory  one store in memory, without a changelog
 * logged  one store as Streams makes it by default: RocksDB, with a changelog
 * range   two such stores, the second one with a row for each key and value of the first field
 */
public final class FoldRate {
    private static final int FRAME_BYTES = 5;

    public static void main(String[] args) throws Exception {
        String mode = args[4];
        boolean hasRange = mode.equals("range");
        CountDownLatch done = new CountDownLatch(1);
        Counter counter = new Counter(Long.parseLong(args[2]), done);
        Topology topology = new Topology();
        topology.addSource("topic", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), args[1]);
        topology.addProcessor("fold", () -> new Fold(hasRange, counter), "topic");
        topology.addStateStore(store("last", mode.equals("memory")), "fold");
        if (hasRange) {
            topology.addStateStore(store("range", false), "fold");
        }
        KafkaStreams streams = new KafkaStreams(topology, settings(args[0], args[1] + "-" + mode + "-" + ProcessHandle.current().pid(), args[3]));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return null;
        });
        streams.start();
        done.await();
        System.out.println(counter.rate());
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private static Properties settings(String bootstrap, String id, String folder) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, id);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, new File(folder).getAbsolutePath());
        settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        return settings;
    }

    private static StoreBuilder<KeyValueStore<byte[], byte[]>> store(String name, boolean isInMemory) {
        KeyValueBytesStoreSupplier supplier =
            isInMemory ? Stores.inMemoryKeyValueStore(name) : Stores.persistentKeyValueStore(name);
        StoreBuilder<KeyValueStore<byte[], byte[]>> builder =
            Stores.keyValueStoreBuilder(supplier, Serdes.ByteArray(), Serdes.ByteArray());
        return isInMemory ? builder.withLoggingDisabled() : builder;
    }

    private static final class Counter {
        private final long wanted;
        private final CountDownLatch done;
        private long seen;
        private long began;
        private long ended;

        Counter(long wanted, CountDownLatch done) {
            this.wanted = wanted;
            this.done = done;
        }

        void begin() {
            if (seen == 0) {
                began = System.nanoTime();
            }
        }

        void end() {
            if (++seen == wanted) {
                ended = System.nanoTime();
                done.countDown();
            }
        }

        double rate() {
            return wanted * 1e9 / (ended - began);
        }
    }

    private static final class Fold implements Processor<byte[], byte[], Void, Void> {
        private final boolean hasRange;
        private final Counter counter;
        private KeyValueStore<byte[], byte[]> last;
        private KeyValueStore<byte[], byte[]> range;

        Fold(boolean hasRange, Counter counter) {
            this.hasRange = hasRange;
            this.counter = counter;
        }

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            last = context.getStateStore("last");
            range = hasRange ? context.getStateStore("range") : null;
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            counter.begin();
            last.put(record.key(), record.value());
            if (hasRange) {
                range.put(rangeKey(record.key(), firstField(record.value())), record.value());
            }
            counter.end();
        }
    }

    private static byte[] rangeKey(byte[] key, long field) {
        return ByteBuffer.allocate(key.length + Long.BYTES).put(key).putLong(field ^ Long.MIN_VALUE).array();
    }

    /** Reads the one field that is needed, which is less than a reader of whole records has to do. */
    private static long firstField(byte[] value) {
        long number = 0;
        int shift = 0;
        for (int at = FRAME_BYTES; ; at++, shift += 7) {
            number |= (long) (value[at] & 0x7f) << shift;
            if (value[at] >= 0) {
                return number >>> 1 ^ -(number & 1);
            }
        }
    }
}
