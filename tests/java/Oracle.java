// A Java producer and consumer with nothing between a test and Kafka's own client; see src/java_oracle.rs.
//
//   produce BOOTSTRAP TOPIC [name=value ...]     steps on standard input; prints "partition TAB offset" per record, in order
//   consume BOOTSTRAP TOPIC COUNT [name=value ...]   prints COUNT records; with group.id it subscribes and commits
//   partitions COUNT                             keys in hex on standard input; prints the default partition of each
//
// Steps: "begin", "commit", "abort", or a record: partition, timestamp, key, value, headers, separated by tabs.
// Bytes are hex or "null"; partition and timestamp are -1 for none; headers are name=value joined with commas, both hex.
// Printed records: partition, offset, timestamp, timestamp type (0 create, 1 append), leader epoch (-1 for none), key, value, headers.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Utils;

public class Oracle {
    private static final HexFormat HEX = HexFormat.of();

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "produce" -> produce(args[1], args[2], properties(args, 3));
            case "consume" -> consume(args[1], args[2], Integer.parseInt(args[3]), properties(args, 4));
            case "partitions" -> partitions(Integer.parseInt(args[1]));
            default -> throw new IllegalArgumentException("no such mode: " + args[0]);
        }
    }

    private static void produce(String bootstrap, String topic, Properties properties) throws Exception {
        properties.putIfAbsent("bootstrap.servers", bootstrap);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            if (properties.containsKey("transactional.id")) {
                producer.initTransactions();
            }
            for (String step : input().lines().toList()) {
                switch (step) {
                    case "begin" -> producer.beginTransaction();
                    case "commit" -> producer.commitTransaction();
                    case "abort" -> {
                        // An abort fails what is still queued; the test wants it written and aborted.
                        producer.flush();
                        producer.abortTransaction();
                    }
                    default -> sent.add(producer.send(record(topic, step)));
                }
            }
            producer.flush();
            PrintStream output = output();
            for (Future<RecordMetadata> future : sent) {
                RecordMetadata metadata = future.get();
                output.println(metadata.partition() + "\t" + metadata.offset());
            }
            output.flush();
        }
    }

    private static ProducerRecord<byte[], byte[]> record(String topic, String line) {
        String[] fields = line.split("\t", -1);
        int partition = Integer.parseInt(fields[0]);
        long timestamp = Long.parseLong(fields[1]);
        List<Header> headers = new ArrayList<>();
        if (!fields[4].isEmpty()) {
            for (String header : fields[4].split(",", -1)) {
                String[] parts = header.split("=", -1);
                headers.add(new RecordHeader(new String(bytes(parts[0]), StandardCharsets.UTF_8), bytes(parts[1])));
            }
        }
        return new ProducerRecord<>(topic, partition < 0 ? null : partition, timestamp < 0 ? null : timestamp,
            bytes(fields[2]), bytes(fields[3]), headers);
    }

    private static void consume(String bootstrap, String topic, int count, Properties properties) {
        properties.putIfAbsent("bootstrap.servers", bootstrap);
        properties.putIfAbsent("auto.offset.reset", "earliest");
        properties.putIfAbsent("enable.auto.commit", "false");
        PrintStream output = output();
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            boolean group = properties.containsKey("group.id");
            if (group) {
                consumer.subscribe(List.of(topic));
            } else {
                consumer.assign(consumer.partitionsFor(topic).stream()
                    .map(info -> new TopicPartition(topic, info.partition())).toList());
            }
            for (int seen = 0; seen < count; ) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    output.println(line(record));
                    seen++;
                }
                output.flush();
                if (group) {
                    consumer.commitSync();
                }
            }
        }
    }

    private static String line(ConsumerRecord<byte[], byte[]> record) {
        String headers = Arrays.stream(record.headers().toArray())
            .map(header -> hex(header.key().getBytes(StandardCharsets.UTF_8)) + "=" + hex(header.value()))
            .collect(Collectors.joining(","));
        return record.partition() + "\t" + record.offset() + "\t" + record.timestamp() + "\t" + record.timestampType().id + "\t"
            + record.leaderEpoch().orElse(-1) + "\t" + hex(record.key()) + "\t" + hex(record.value()) + "\t" + headers;
    }

    private static void partitions(int count) {
        PrintStream output = output();
        // What BuiltInPartitioner.partitionForKey (and DefaultPartitioner before 3.3) does.
        input().lines().forEach(key -> output.println(Utils.toPositive(Utils.murmur2(bytes(key))) % count));
        output.flush();
    }

    private static Properties properties(String[] args, int from) {
        Properties properties = new Properties();
        for (int i = from; i < args.length; i++) {
            int equals = args[i].indexOf('=');
            properties.put(args[i].substring(0, equals), args[i].substring(equals + 1));
        }
        return properties;
    }

    private static byte[] bytes(String text) {
        return text.equals("null") ? null : HEX.parseHex(text);
    }

    private static String hex(byte[] bytes) {
        return bytes == null ? "null" : HEX.formatHex(bytes);
    }

    private static BufferedReader input() {
        return new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    }

    private static PrintStream output() {
        return new PrintStream(System.out, false, StandardCharsets.US_ASCII);
    }
}
