import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * The work of the test `beside_javas_admin`, by Java's Admin: arguments are the bootstrap address, the prefix of the
 * names, their number, the number of rounds. A line for each piece of work: its name, milliseconds, requests sent.
 */
public class AdminWork {
    private interface Work {
        void run() throws Exception;
    }

    private static Admin admin;

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        String prefix = arguments[1];
        int count = Integer.parseInt(arguments[2]);
        int rounds = Integer.parseInt(arguments[3]);
        try (Admin client = Admin.create(properties)) {
            admin = client;
            for (int round = 0; round < rounds; round++) {
                String base = prefix + "-" + round + "-";
                List<String> topics = IntStream.range(0, count).mapToObj(at -> base + at).collect(Collectors.toList());
                measure("create", () -> {
                    List<NewTopic> created = new ArrayList<>();
                    topics.forEach(name -> created.add(new NewTopic(name, 1, (short) 1)));
                    client.createTopics(created).all().get();
                });
                settle(topics);
                measure("describe", () -> client.describeTopics(topics).allTopicNames().get());
                measure("delete", () -> client.deleteTopics(topics).all().get());
                Map<String, ListConsumerGroupOffsetsSpec> specs = new HashMap<>();
                for (int at = 0; at < count; at++) {
                    specs.put(prefix + "-group-" + at, new ListConsumerGroupOffsetsSpec());
                }
                measure("offsets", () -> {
                    Map<String, Map<TopicPartition, OffsetAndMetadata>> all = client.listConsumerGroupOffsets(specs).all().get();
                    if (all.values().stream().anyMatch(offsets -> offsets.size() != 1)) {
                        throw new IllegalStateException("a group has no offset");
                    }
                });
            }
        }
    }

    /** Waits until every broker knows the topics: whichever is asked, many times in a row. */
    private static void settle(List<String> topics) throws Exception {
        int known = 0;
        for (int tries = 0; tries < 600 && known < 6; tries++) {
            try {
                admin.describeTopics(topics).allTopicNames().get();
                known++;
            } catch (Exception notYet) {
                known = 0;
                Thread.sleep(50);
            }
        }
    }

    private static void measure(String name, Work work) throws Exception {
        double before = requests();
        long start = System.nanoTime();
        work.run();
        long millis = (System.nanoTime() - start) / 1_000_000;
        System.out.println(name + " " + millis + " " + (long) (requests() - before));
    }

    private static double requests() {
        return admin.metrics().entrySet().stream()
            .filter(metric -> metric.getKey().name().equals("request-total")
                && metric.getKey().group().equals("admin-client-metrics"))
            .mapToDouble(metric -> (Double) metric.getValue().metricValue()).sum();
    }
}
