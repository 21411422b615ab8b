import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.serialization.DoubleSerializer;
import org.apache.kafka.common.serialization.IntegerSerializer;
import org.apache.kafka.common.serialization.LongSerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Serialises values as Kafka's Java client does, and says where its partitioner puts them as keys.
 *
 * <p>Reads lines of a type and the value's text (its UTF-8 in hexadecimal); writes for each the bytes in hexadecimal
 * and the partition for every number of partitions in the arguments.
 */
public class Probe {
    public static void main(String[] counts) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] parts = line.split(" ", -1);
            byte[] bytes = serialised(parts[0], new String(HexFormat.of().parseHex(parts[1]), StandardCharsets.UTF_8));
            var answer = new StringBuilder(HexFormat.of().formatHex(bytes));
            for (String count : counts) {
                answer.append(' ').append(BuiltInPartitioner.partitionForKey(bytes, Integer.parseInt(count)));
            }
            System.out.println(answer);
        }
    }

    private static byte[] serialised(String type, String text) {
        return switch (type) {
            case "string" -> new StringSerializer().serialize("topic", text);
            case "integer" -> new IntegerSerializer().serialize("topic", Integer.valueOf(text));
            case "long" -> new LongSerializer().serialize("topic", Long.valueOf(text));
            case "double" -> new DoubleSerializer().serialize("topic", Double.valueOf(text));
            default -> throw new IllegalArgumentException(type);
        };
    }
}
