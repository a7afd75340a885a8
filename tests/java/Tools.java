import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

import org.apache.kafka.common.utils.Exit;

/**
 * Runs many of Kafka's command line tools in one JVM, one after the other: each starts in a tenth of the time.
 *
 * A line of the input is a class and its arguments, separated by tabs. After what each tool printed to standard output
 * and error comes a line with a form feed and its exit status.
 */
public class Tools {
    private static class Ended extends RuntimeException {
        final int status;

        Ended(int status) {
            super(null, null, false, false);
            this.status = status;
        }
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream output = System.out;
        Exit.Procedure end = (status, message) -> {
            throw new Ended(status);
        };
        Exit.setExitProcedure(end);
        Exit.setHaltProcedure(end);
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split("\t");
            ByteArrayOutputStream printed = new ByteArrayOutputStream();
            PrintStream captured = new PrintStream(printed, true, StandardCharsets.UTF_8);
            System.setOut(captured);
            System.setErr(captured);
            int status = run(words[0], Arrays.copyOfRange(words, 1, words.length), captured);
            System.setOut(output);
            output.write(printed.toByteArray());
            output.print("\n\f" + status + "\n");
            output.flush();
        }
    }

    private static int run(String tool, String[] arguments, PrintStream captured) throws Exception {
        try {
            Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) arguments);
            return 0;
        } catch (InvocationTargetException thrown) {
            if (thrown.getCause() instanceof Ended) {
                return ((Ended) thrown.getCause()).status;
            }
            thrown.getCause().printStackTrace(captured);
            return 1;
        }
    }
}
