// Decodes each *.bin of a folder with the Java client and prints what it read to *.records beside it.
//
//     java -cp 'KAFKA/libs/*' Dump.java DIR

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.CloseableIterator;
import org.apache.kafka.common.utils.Utils;

public class Dump {
    public static void main(String[] args) throws IOException {
        try (Stream<Path> files = Files.list(Path.of(args[0]))) {
            List<Path> fixtures = files.filter(file -> file.toString().endsWith(".bin")).sorted().toList();
            for (Path fixture : fixtures) {
                String name = fixture.getFileName().toString().replace(".bin", ".records");
                Files.writeString(fixture.resolveSibling(name), dump(ByteBuffer.wrap(Files.readAllBytes(fixture))));
            }
        }
    }

    static String dump(ByteBuffer bytes) {
        StringBuilder text = new StringBuilder();
        for (RecordBatch batch : MemoryRecords.readableRecords(bytes).batches()) {
            batch.ensureValid();
            text.append(String.format(
                "batch magic=%d codec=%s last_offset=%d leader_epoch=%d time=%s max_timestamp=%d producer=%d/%d/%d"
                    + " transactional=%b control=%b delete_horizon=%s%n",
                batch.magic(), batch.compressionType().name, batch.lastOffset(), batch.partitionLeaderEpoch(),
                batch.timestampType(), batch.maxTimestamp(), batch.producerId(), batch.producerEpoch(), batch.baseSequence(),
                batch.isTransactional(), batch.isControlBatch(),
                batch.deleteHorizonMs().isPresent() ? batch.deleteHorizonMs().getAsLong() : "none"));
            try (CloseableIterator<Record> records = batch.streamingIterator(BufferSupplier.NO_CACHING)) {
                records.forEachRemaining(record -> dump(record, text));
            }
        }
        return text.toString();
    }

    static void dump(Record record, StringBuilder text) {
        text.append(record.offset()).append(' ').append(record.timestamp());
        text.append(' ').append(hex(record.key())).append(' ').append(hex(record.value()));
        for (Header header : record.headers()) {
            byte[] value = header.value();
            text.append(' ').append(hex(ByteBuffer.wrap(header.key().getBytes(StandardCharsets.UTF_8))));
            text.append('=').append(hex(value == null ? null : ByteBuffer.wrap(value)));
        }
        text.append('\n');
    }

    static String hex(ByteBuffer bytes) {
        return bytes == null ? "null" : "x" + HexFormat.of().formatHex(Utils.toArray(bytes));
    }
}
