// Prints Kafka's error codes as the Java client classes them:  java -cp 'KAFKA/libs/*' ErrorCodes.java > frames/error-codes.text

import org.apache.kafka.common.errors.InvalidMetadataException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.protocol.Errors;

public class ErrorCodes {
    public static void main(String[] args) {
        for (Errors error : Errors.values()) {
            String kind = error.exception() instanceof InvalidMetadataException ? "refresh"
                : error.exception() instanceof RetriableException ? "retriable"
                : "final";
            System.out.println(error.code() + " " + error.name() + " " + kind);
        }
    }
}
