// Writes requests as Java's client sends them, sends them to a broker, and writes what it answers.
//
//     java -cp 'KAFKA/libs/*' Frames.java HOST PORT BROKER_VERSION OUTDIR [all]
//
// Always the ApiVersions of the broker, named by its version; with `all` Produce and Fetch in every version too. Each file is a
// whole frame, size included. What a fetch response holds, as Java reads it, is in a text beside it.

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.zip.CRC32;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.ApiVersionsRequestData;
import org.apache.kafka.common.message.FetchResponseData;
import org.apache.kafka.common.message.ProduceRequestData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.common.requests.AbstractRequest;
import org.apache.kafka.common.requests.AbstractResponse;
import org.apache.kafka.common.requests.ApiVersionsRequest;
import org.apache.kafka.common.requests.FetchRequest;
import org.apache.kafka.common.requests.FetchResponse;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.requests.ProduceResponse;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Frames {
    static final String CLIENT_ID = "fixtures";
    static final long TIME = 1_700_000_000_000L;

    static String host;
    static int port;
    static Path out;

    public static void main(String[] args) throws Exception {
        host = args[0];
        port = Integer.parseInt(args[1]);
        out = Path.of(args[3]);
        Files.createDirectories(out);
        // A broker that does not know a version answers in version 0, with the ranges that it knows (KIP-511).
        for (short version = 0; version <= 4; version++) {
            ApiVersionsRequestData data = new ApiVersionsRequestData().setClientSoftwareName(CLIENT_ID).setClientSoftwareVersion("1");
            AbstractRequest request = new ApiVersionsRequest.Builder(data, version, version).build(version);
            exchange("api-versions-" + args[2] + "-v" + version, request, version);
        }
        if (args.length > 4) {
            produceAndFetch();
        }
    }

    static void produceAndFetch() throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", host + ":" + port);
        Map<String, Uuid> ids = new LinkedHashMap<>();
        try (Admin admin = Admin.create(config)) {
            admin.createTopics(List.of(new NewTopic("orders", 2, (short) 1), new NewTopic("bills", 1, (short) 1))).all().get();
            for (var topic : admin.describeTopics(List.of("orders", "bills")).allTopicNames().get().entrySet()) {
                ids.put(topic.getKey(), topic.getValue().topicId());
            }
        }
        StringBuilder names = new StringBuilder();
        ids.forEach((name, id) -> names.append(name).append(' ').append(hex(id)).append('\n'));
        Files.writeString(out.resolve("topics.text"), names);

        for (short version = 3; version <= 13; version++) {
            Files.write(out.resolve("produce-v" + version + "-transactional.request"), framed(produce(version, ids, "tx"), version));
            AbstractResponse response = exchange("produce-v" + version, produce(version, ids, null), version);
            ((ProduceResponse) response).data().responses().forEach(topic -> topic.partitionResponses().forEach(partition -> {
                if (partition.errorCode() != 0) {
                    throw new IllegalStateException(partition.toString());
                }
            }));
        }
        aborted(config);
        for (short version = 4; version <= 18; version++) {
            FetchResponse response = (FetchResponse) exchange("fetch-v" + version, fetch(version, ids), version);
            Files.writeString(out.resolve("fetch-v" + version + ".text"), dump(response));
        }
    }

    static ProduceRequest produce(short version, Map<String, Uuid> ids, String transactionalId) {
        ProduceRequestData data = new ProduceRequestData().setAcks((short) -1).setTimeoutMs(30_000).setTransactionalId(transactionalId);
        data.topicData().add(topic("orders", ids, 0, 1));
        data.topicData().add(topic("bills", ids, 0));
        return new ProduceRequest.Builder(version, version, data).build(version);
    }

    static ProduceRequestData.TopicProduceData topic(String name, Map<String, Uuid> ids, int... partitions) {
        var topic = new ProduceRequestData.TopicProduceData().setName(name).setTopicId(ids.get(name));
        for (int partition : partitions) {
            SimpleRecord[] records = new SimpleRecord[2 + partition];
            for (int i = 0; i < records.length; i++) {
                records[i] = new SimpleRecord(TIME + i, (name + "-" + partition).getBytes(), ("value " + i).getBytes());
            }
            topic.partitionData().add(new ProduceRequestData.PartitionProduceData()
                .setIndex(partition)
                .setRecords(MemoryRecords.withRecords(Compression.NONE, records)));
        }
        return topic;
    }

    // Two transactions that are aborted and one that is not.
    static void aborted(Map<String, Object> config) {
        Map<String, Object> transactional = new LinkedHashMap<>(config);
        transactional.put("transactional.id", "fixtures");
        transactional.put("compression.type", "lz4");
        try (var producer = new KafkaProducer<>(transactional, new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.initTransactions();
            for (String end : List.of("abort", "commit", "abort")) {
                producer.beginTransaction();
                for (int i = 0; i < 3; i++) {
                    producer.send(new ProducerRecord<>("bills", 0, TIME + i, end.getBytes(), ("value " + i).getBytes()));
                }
                producer.flush();
                if (end.equals("abort")) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
    }

    static FetchRequest fetch(short version, Map<String, Uuid> ids) {
        Map<TopicPartition, FetchRequest.PartitionData> partitions = new LinkedHashMap<>();
        // The last is one that there is not.
        for (TopicPartition partition : List.of(
            new TopicPartition("orders", 0), new TopicPartition("orders", 1), new TopicPartition("bills", 0), new TopicPartition("bills", 7))) {
            Uuid id = ids.get(partition.topic());
            long offset = partition.partition() == 1 ? 2 : 0;
            partitions.put(partition, new FetchRequest.PartitionData(id, offset, -1, 700, Optional.empty()));
        }
        return FetchRequest.Builder.forConsumer(version, 500, 1, partitions)
            .isolationLevel(IsolationLevel.READ_COMMITTED)
            .setMaxBytes(1 << 20)
            .build(version);
    }

    static String dump(FetchResponse response) throws IOException {
        StringBuilder text = new StringBuilder();
        FetchResponseData data = response.data();
        text.append(String.format("response throttle=%d error=%d session=%s%n",
            data.throttleTimeMs(), data.errorCode(), data.sessionId() == 0 ? "none" : "some"));
        for (var topic : data.responses()) {
            for (var partition : topic.partitions()) {
                text.append(topic.topic().isEmpty() ? hex(topic.topicId()) : topic.topic());
                text.append(String.format(" %d error=%d high_watermark=%d last_stable=%d log_start=%d replica=%d aborted=",
                    partition.partitionIndex(), partition.errorCode(), partition.highWatermark(), partition.lastStableOffset(),
                    partition.logStartOffset(), partition.preferredReadReplica()));
                if (partition.abortedTransactions() != null) {
                    for (var aborted : partition.abortedTransactions()) {
                        text.append(aborted.producerId()).append('@').append(aborted.firstOffset()).append(',');
                    }
                }
                MemoryRecords records = (MemoryRecords) FetchResponse.recordsOrFail(partition);
                CRC32 crc = new CRC32();
                crc.update(records.buffer().duplicate());
                text.append(String.format(" records=%d/%08x%n", records.sizeInBytes(), crc.getValue()));
            }
        }
        return text.toString();
    }

    /** Sends a request, writes both frames, and gives the response. */
    static AbstractResponse exchange(String name, AbstractRequest request, short version) throws IOException {
        byte[] frame = framed(request, version);
        Files.write(out.resolve(name + ".request"), frame);
        try (Socket socket = new Socket(host, port)) {
            new DataOutputStream(socket.getOutputStream()).write(frame);
            DataInputStream in = new DataInputStream(socket.getInputStream());
            byte[] response = new byte[in.readInt()];
            in.readFully(response);
            Files.write(out.resolve(name + ".response"), framed(ByteBuffer.wrap(response)));
            return AbstractResponse.parseResponse(ByteBuffer.wrap(response), header(request.apiKey(), version));
        }
    }

    static RequestHeader header(ApiKeys api, short version) {
        return new RequestHeader(api, version, CLIENT_ID, version);
    }

    static byte[] framed(AbstractRequest request, short version) {
        return framed(request.serializeWithHeader(header(request.apiKey(), version)));
    }

    static byte[] framed(ByteBuffer bytes) {
        return ByteBuffer.allocate(4 + bytes.remaining()).putInt(bytes.remaining()).put(bytes).array();
    }

    static String hex(Uuid id) {
        return String.format("%016x%016x", id.getMostSignificantBits(), id.getLeastSignificantBits());
    }
}
