// Fills topics of a broker so that their first log segments are worth keeping; segments.sh copies them.
//
//     java -cp 'KAFKA/libs/*' Segments.java BOOTSTRAP

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Segments {
    static String bootstrap;

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        NewTopic compacted = new NewTopic("compacted", 1, (short) 1).configs(Map.of(
            "cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0.01", "segment.ms", "1000"));
        NewTopic appendTime = new NewTopic("append-time", 1, (short) 1).configs(Map.of(
            "message.timestamp.type", "LogAppendTime", "compression.type", "zstd"));
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(List.of(new NewTopic("transactions", 1, (short) 1), compacted, appendTime)).all().get();
        }
        transactions("transactions", "lz4");
        transactions("compacted", "gzip");
        plain("append-time", "none");
        // A record later than segment.ms rolls the segment: only closed ones are cleaned.
        Thread.sleep(1500);
        plain("compacted", "snappy");
        Thread.sleep(1500);
        plain("compacted", "none");
    }

    // Committed, aborted and plain records, each kind in several batches.
    static void transactions(String topic, String codec) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(codec, "transactional.id", "fixture-" + topic)) {
            producer.initTransactions();
            for (int transaction = 0; transaction < 4; transaction++) {
                producer.beginTransaction();
                for (int batch = 0; batch < 2; batch++) {
                    send(producer, topic, transaction % 2 == 0 ? "committed" : "aborted", transaction * 10 + batch);
                }
                if (transaction % 2 == 0) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
        }
        plain(topic, codec);
    }

    static void plain(String topic, String codec) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(codec, "enable.idempotence", "false")) {
            send(producer, topic, "plain", 90);
        }
    }

    static void send(KafkaProducer<byte[], byte[]> producer, String topic, String kind, int number) {
        for (int record = 0; record < 5; record++) {
            byte[] key = ("key-" + record).getBytes(StandardCharsets.UTF_8);
            byte[] value = record == 4 ? null : (kind + "-" + number + "-" + record).getBytes(StandardCharsets.UTF_8);
            ProducerRecord<byte[], byte[]> message = new ProducerRecord<>(topic, key, value);
            message.headers().add("kind", kind.getBytes(StandardCharsets.UTF_8));
            producer.send(message);
        }
        producer.flush();
    }

    static KafkaProducer<byte[], byte[]> producer(String codec, String name, String value) {
        return new KafkaProducer<>(
            Map.of("bootstrap.servers", bootstrap, "compression.type", codec, "linger.ms", 100, name, value),
            new ByteArraySerializer(), new ByteArraySerializer());
    }
}
