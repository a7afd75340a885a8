// What the members of a classic group send each other, as Java's client encodes it: lines of name and bytes in hex.
//   java -cp 'CLIENT/*' Groups.java > groups.text
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;

import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Assignment;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.clients.consumer.internals.ConsumerProtocol;
import org.apache.kafka.common.TopicPartition;

class Groups {
    static final List<TopicPartition> OWNED =
        List.of(new TopicPartition("orders", 0), new TopicPartition("orders", 2), new TopicPartition("bills", 1));
    static final Set<String> TOPICS = Set.of("orders", "bills");

    public static void main(String[] arguments) {
        for (ConsumerPartitionAssignor assignor : List.of(new RangeAssignor(), new RoundRobinAssignor())) {
            print(assignor.name() + "-user-data", assignor.subscriptionUserData(TOPICS));
        }
        for (ConsumerPartitionAssignor assignor : List.of(new StickyAssignor(), new CooperativeStickyAssignor())) {
            print(assignor.name() + "-user-data-first", assignor.subscriptionUserData(TOPICS));
            Assignment given = new Assignment(OWNED);
            assignor.onAssignment(given, new ConsumerGroupMetadata("g", 7, "m", Optional.empty()));
            ByteBuffer userData = assignor.subscriptionUserData(TOPICS);
            print(assignor.name() + "-user-data-in-generation-7", userData);
            print(assignor.name() + "-subscription", ConsumerProtocol.serializeSubscription(
                new Subscription(List.of("bills", "orders"), userData, OWNED, 7, Optional.of("eu"))));
        }
        print("assignment", ConsumerProtocol.serializeAssignment(new Assignment(OWNED)));
    }

    static void print(String name, ByteBuffer bytes) {
        if (bytes == null) {
            System.out.println(name + " null");
            return;
        }
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        System.out.println(name + " " + HexFormat.of().formatHex(copy));
    }
}
