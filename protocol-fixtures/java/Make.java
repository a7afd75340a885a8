// Writes record batches and message sets with the Java client's own code, a file each, into a folder.
//
//     java -cp 'KAFKA/libs/*' Make.java OUTDIR
//
// Nothing here depends on the clock or on chance; compressed bytes depend on the codecs' versions.

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.common.utils.BufferSupplier;

public class Make {
    static final long TIME = 1_700_000_000_000L;
    static final long DAY = 86_400_000L;
    static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    static final Header[] NO_HEADERS = {};

    static Path out;

    public static void main(String[] args) throws IOException {
        out = Path.of(args[0]);
        Files.createDirectories(out);
        for (String codec : CODECS) {
            v2(codec);
            if (!codec.equals("zstd")) {
                legacy((byte) 0, codec);
                legacy((byte) 1, codec);
            }
        }
        control();
        compacted();
        several();
    }

    // As producers write them: base offset 0, leader epoch -1; but "append-time", as a broker keeps it.
    static void v2(String codec) throws IOException {
        write("v2-" + codec + "-mixed", plain(codec, mixed(true)));
        write("v2-" + codec + "-one", plain(codec, List.of(record(TIME, "key", "value"))));
        write("v2-" + codec + "-thousand", plain(codec, many(1000)));
        write("v2-" + codec + "-far-apart", plain(codec, farApart()));
        write("v2-" + codec + "-idempotent", producer(codec, many(5), 4711, (short) 3, 100, false));
        write("v2-" + codec + "-sequence-wraps", producer(codec, many(5), Long.MAX_VALUE, Short.MAX_VALUE, Integer.MAX_VALUE - 2, false));
        write("v2-" + codec + "-transactional", producer(codec, mixed(true), 4712, (short) 0, 0, true));
        write("v2-" + codec + "-append-time", appendTime((byte) 2, codec));
    }

    static void legacy(byte magic, String codec) throws IOException {
        String name = "v" + magic + "-" + codec;
        write(name + "-mixed", set(magic, codec, 100, mixed(false)));
        write(name + "-many", set(magic, codec, 0, many(codec.equals("none") ? 100 : 1000)));
        write(name + "-holes", holes(magic, codec));
        // Today's log cleaner writes version 2 whatever it read (KIP-724).
        write("v2-" + codec + "-cleaned-v" + magic, filter(set(magic, codec, 100, many(20)), record -> record.offset() % 3 == 1));
        if (magic == 1) {
            write(name + "-append-time", appendTime(magic, codec));
        }
    }

    static void control() throws IOException {
        for (ControlRecordType type : List.of(ControlRecordType.COMMIT, ControlRecordType.ABORT)) {
            EndTransactionMarker marker = new EndTransactionMarker(type, 7);
            MemoryRecords records = MemoryRecords.withEndTransactionMarker(42, TIME, 5, 4712, (short) 1, marker);
            write("v2-control-" + type.name().toLowerCase(), records.buffer());
        }
        LeaderChangeMessage change = new LeaderChangeMessage().setLeaderId(1);
        MemoryRecords records = MemoryRecords.withLeaderChangeMessage(43, TIME, 6, ByteBuffer.allocate(1024), change);
        write("v2-control-leader-change", records.buffer());
    }

    // What the log cleaner leaves.
    static void compacted() throws IOException {
        ByteBuffer batch = producer("none", many(20), 4711, (short) 3, 0, false);
        write("v2-compacted", filter(batch, record -> record.offset() % 3 == 1));
        write("v2-compacted-empty", filter(batch, record -> false));
        List<SimpleRecord> tombstones = List.of(record(TIME, "a", "1"), record(TIME + 10, "b", null), record(TIME + 20, "c", "3"));
        for (String codec : List.of("none", "lz4")) {
            write("v2-" + codec + "-delete-horizon", filter(plain(codec, tombstones), record -> record.offset() > 0));
        }
    }

    // Several in one file, as a fetch response may hold them: formats mixed by an upgrade, the last one cut off.
    static void several() throws IOException {
        ByteBuffer all = ByteBuffer.allocate(1 << 20);
        long offset = 0;
        for (byte magic = 0; magic < 2; magic++) {
            for (String codec : List.of("none", "gzip", "none", "lz4")) {
                all.put(set(magic, codec, offset, many(3)));
                offset += 3;
            }
        }
        for (String codec : CODECS) {
            all.put(set((byte) 2, codec, offset, many(3)));
            offset += 3;
        }
        int whole = all.position();
        all.put(set((byte) 2, "none", offset, many(3)));
        all.flip();
        all.limit(whole + 80);
        write("several-cut", all);
        ByteBuffer old = set((byte) 1, "none", 0, many(2));
        old.limit(old.limit() - 1);
        write("v1-cut", old);
    }

    static List<SimpleRecord> mixed(boolean headers) {
        byte[] bytes = {0, (byte) 0xff, (byte) 0xc3, 0x28, (byte) 0x80};
        Header[] twice = {
            new RecordHeader("trace", utf8("1")),
            new RecordHeader("other", (byte[]) null),
            new RecordHeader("trace", utf8("2")),
            new RecordHeader("größe", new byte[0]),
            new RecordHeader("", bytes),
        };
        return List.of(
            record(TIME, null, "null key"),
            record(TIME + 1, "null value", null),
            record(TIME + 1, null, null),
            record(TIME - 5, "", "empty key, earlier timestamp"),
            record(TIME + 200, "empty value", ""),
            new SimpleRecord(TIME + 70_000, bytes, bytes, NO_HEADERS),
            new SimpleRecord(TIME, utf8("headers"), utf8("twice the same key"), headers ? twice : NO_HEADERS),
            record(TIME + 3, "k".repeat(63), "v".repeat(64)),
            record(TIME + 4, "k".repeat(64), "v".repeat(8192)));
    }

    static List<SimpleRecord> many(int count) {
        List<SimpleRecord> records = new ArrayList<>();
        for (int index = 0; index < count; index++) {
            records.add(record(TIME + index, index % 4 == 0 ? null : "k" + index % 7, "v" + index));
        }
        return records;
    }

    // More than 2^31 milliseconds (24.8 days) from the first, both ways.
    static List<SimpleRecord> farApart() {
        return List.of(
            record(TIME, "first", "1"),
            record(TIME + 30 * DAY, "a month later", "2"),
            record(TIME - 30 * DAY, "a month before", "3"),
            record(0, "1970", "4"),
            record(253_402_300_799_999L, "9999", "5"));
    }

    static SimpleRecord record(long timestamp, String key, String value) {
        return new SimpleRecord(timestamp, key == null ? null : utf8(key), value == null ? null : utf8(value), NO_HEADERS);
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static Compression codec(String name) {
        return Compression.of(name).build();
    }

    static ByteBuffer plain(String codec, List<SimpleRecord> records) {
        return set((byte) 2, codec, 0, records);
    }

    static ByteBuffer set(byte magic, String codec, long baseOffset, List<SimpleRecord> records) {
        return fill(records, MemoryRecords.builder(ByteBuffer.allocate(1 << 16), magic, codec(codec), TimestampType.CREATE_TIME, baseOffset));
    }

    // Offsets that are not one after the other, as the log cleaner of that time left them.
    static ByteBuffer holes(byte magic, String codec) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(
            ByteBuffer.allocate(1 << 16), magic, codec(codec), TimestampType.CREATE_TIME, 100);
        for (long offset : new long[] {103, 104, 109, 250}) {
            builder.appendWithOffset(offset, record(TIME + offset, "k" + offset, "v" + offset));
        }
        return builder.build().buffer();
    }

    static ByteBuffer appendTime(byte magic, String codec) {
        return fill(many(10), MemoryRecords.builder(
            ByteBuffer.allocate(1 << 16), magic, codec(codec), TimestampType.LOG_APPEND_TIME, 1000, TIME + DAY, 9));
    }

    static ByteBuffer producer(String codec, List<SimpleRecord> records, long id, short epoch, int sequence, boolean transactional) {
        return fill(records, MemoryRecords.builder(
            ByteBuffer.allocate(1 << 16), (byte) 2, codec(codec), TimestampType.CREATE_TIME, 0, RecordBatch.NO_TIMESTAMP,
            id, epoch, sequence, transactional, RecordBatch.NO_PARTITION_LEADER_EPOCH));
    }

    static ByteBuffer fill(List<SimpleRecord> records, MemoryRecordsBuilder builder) {
        records.forEach(builder::append);
        return builder.build().buffer();
    }

    static ByteBuffer filter(ByteBuffer bytes, Predicate<Record> keep) {
        MemoryRecords.RecordFilter filter = new MemoryRecords.RecordFilter(TIME + DAY, DAY) {
            @Override
            protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
                return new BatchRetentionResult(batch.magic() < 2 ? BatchRetention.DELETE_EMPTY : BatchRetention.RETAIN_EMPTY, false);
            }

            @Override
            protected boolean shouldRetainRecord(RecordBatch batch, Record record) {
                return keep.test(record);
            }
        };
        MemoryRecords all = MemoryRecords.readableRecords(bytes.duplicate());
        return all.filterTo(filter, ByteBuffer.allocate(1 << 16), BufferSupplier.NO_CACHING).outputBuffer().flip();
    }

    static void write(String name, ByteBuffer bytes) throws IOException {
        byte[] content = new byte[bytes.remaining()];
        bytes.duplicate().get(content);
        Files.write(out.resolve(name + ".bin"), content);
    }
}
