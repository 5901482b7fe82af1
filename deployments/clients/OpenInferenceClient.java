import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A client of the Open Inference Protocol with nothing but the JDK (17 or later).
 *
 * <p>As a program it asks a service for a build's golden rows and compares the answers:
 * {@code java OpenInferenceClient.java http://127.0.0.1:8080 flights build/golden.json}
 */
public final class OpenInferenceClient {
    private final HttpClient http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();
    private final URI base;
    private final String model;

    public OpenInferenceClient(URI base, String model) {
        this.base = base;
        this.model = model;
    }

    /** The answer to some rows: each output by name, with a value a row, in their order. */
    public record Answer(String build, Map<String, List<?>> outputs) {}

    /** A service that refused: its status and what it said, with row, field and reason. */
    public static final class Refused extends IOException {
        private static final long serialVersionUID = 1L;

        Refused(int status, String body) {
            super("status " + status + ": " + body);
        }
    }

    /** Asks for the answers to rows given as field to value; null is a missing value. */
    public Answer infer(List<Map<String, Object>> rows) throws IOException, InterruptedException {
        String path = "/v2/models/" + model;
        Map<?, ?> metadata = (Map<?, ?>) send(HttpRequest.newBuilder(base.resolve(path)).GET());
        StringBuilder inputs = new StringBuilder();
        for (Object input : (List<?>) metadata.get("inputs")) {
            Map<?, ?> field = (Map<?, ?>) input;
            String name = (String) field.get("name");
            List<Object> values = new ArrayList<>();
            rows.forEach(row -> values.add(row.get(name)));
            inputs.append(inputs.isEmpty() ? "" : ",")
                    .append("{\"name\":").append(Json.write(name))
                    .append(",\"datatype\":").append(Json.write(field.get("datatype")))
                    .append(",\"shape\":[").append(rows.size())
                    .append("],\"data\":").append(Json.write(values)).append("}");
        }
        Map<?, ?> answer = (Map<?, ?>) send(HttpRequest.newBuilder(base.resolve(path + "/infer"))
                .header("content-type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString("{\"inputs\":[" + inputs + "]}")));
        Map<String, List<?>> outputs = new LinkedHashMap<>();
        for (Object output : (List<?>) answer.get("outputs")) {
            Map<?, ?> tensor = (Map<?, ?>) output;
            outputs.put((String) tensor.get("name"), (List<?>) tensor.get("data"));
        }
        return new Answer((String) answer.get("model_version"), outputs);
    }

    private Object send(HttpRequest.Builder request) throws IOException, InterruptedException {
        HttpResponse<String> response =
                http.send(request.timeout(Duration.ofSeconds(10)).build(), HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() != 200) {
            throw new Refused(response.statusCode(), response.body());
        }
        return new Json(response.body()).read();
    }

    /** Compares a service's answers with a build's golden ones; exit code 1 if one is out of tolerance. */
    @SuppressWarnings("unchecked")
    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 3) {
            System.err.println("usage: java OpenInferenceClient.java URL MODEL GOLDEN.JSON");
            System.exit(2);
        }
        Map<?, ?> golden = (Map<?, ?>) new Json(Files.readString(Path.of(arguments[2]))).read();
        List<Map<String, Object>> rows = (List<Map<String, Object>>) golden.get("rows");
        List<String> columns = (List<String>) golden.get("columns");
        List<List<?>> expected = (List<List<?>>) golden.get("answers");
        double tolerance = ((Number) golden.get("tolerance")).doubleValue();
        Answer answer = new OpenInferenceClient(URI.create(arguments[0]), arguments[1]).infer(rows);
        double worst = 0;
        for (int row = 0; row < rows.size(); row++) {
            for (int column = 0; column < columns.size(); column++) {
                Number given = (Number) answer.outputs().get(columns.get(column)).get(row);
                Number evaluated = (Number) expected.get(row).get(column);
                double difference = Math.abs(given.doubleValue() - evaluated.doubleValue());
                // Written so that NaN counts as a difference.
                if (!(difference <= tolerance)) {
                    System.err.printf("row %d, %s: %s, expected %s%n", row, columns.get(column), given, evaluated);
                    System.exit(1);
                }
                worst = Math.max(worst, difference);
            }
        }
        System.out.printf("build %s: %d golden rows answered, largest difference %.1e%n",
                answer.build(), rows.size(), worst);
    }

    /** As much JSON as this needs: whole documents in memory, whole numbers as Long, others as Double. */
    static final class Json {
        private final String text;
        private int at;

        Json(String text) {
            this.text = text;
        }

        Object read() throws IOException {
            Object value = value();
            skip();
            if (at != text.length()) {
                throw wrong("the end");
            }
            return value;
        }

        private Object value() throws IOException {
            skip();
            if (at == text.length()) {
                throw wrong("a value");
            }
            switch (text.charAt(at)) {
                case '{':
                    return object();
                case '[':
                    return array();
                case '"':
                    return string();
                case 't':
                    return word("true", Boolean.TRUE);
                case 'f':
                    return word("false", Boolean.FALSE);
                case 'n':
                    return word("null", null);
                default:
                    return number();
            }
        }

        private Map<String, Object> object() throws IOException {
            Map<String, Object> members = new LinkedHashMap<>();
            at++;
            while (!closes('}', members.isEmpty())) {
                skip();
                String name = string();
                expect(':');
                members.put(name, value());
            }
            return members;
        }

        private List<Object> array() throws IOException {
            List<Object> items = new ArrayList<>();
            at++;
            while (!closes(']', items.isEmpty())) {
                items.add(value());
            }
            return items;
        }

        /** Consumes the closing sign, or the comma between two items. */
        private boolean closes(char sign, boolean empty) throws IOException {
            skip();
            if (at < text.length() && text.charAt(at) == sign) {
                at++;
                return true;
            }
            if (!empty) {
                expect(',');
            }
            return false;
        }

        private String string() throws IOException {
            expect('"');
            StringBuilder read = new StringBuilder();
            while (at < text.length() && text.charAt(at) != '"') {
                char sign = text.charAt(at++);
                if (sign != '\\') {
                    read.append(sign);
                    continue;
                }
                char escaped = text.charAt(at++);
                int place = "bfnrt".indexOf(escaped);
                if (escaped == 'u') {
                    read.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                    at += 4;
                } else {
                    read.append(place < 0 ? escaped : "\b\f\n\r\t".charAt(place));
                }
            }
            expect('"');
            return read.toString();
        }

        private Object number() throws IOException {
            int start = at;
            while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
            String digits = text.substring(start, at);
            try {
                if (digits.matches("-?\\d{1,18}")) {
                    return Long.valueOf(digits);
                }
                return Double.valueOf(digits);
            } catch (NumberFormatException error) {
                throw wrong("a value");
            }
        }

        private Object word(String word, Object value) throws IOException {
            if (!text.startsWith(word, at)) {
                throw wrong(word);
            }
            at += word.length();
            return value;
        }

        private void expect(char sign) throws IOException {
            skip();
            if (at == text.length() || text.charAt(at) != sign) {
                throw wrong("'" + sign + "'");
            }
            at++;
        }

        private void skip() {
            while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
                at++;
            }
        }

        private IOException wrong(String wanted) {
            return new IOException("JSON: " + wanted + " expected at " + at);
        }

        static String write(Object value) {
            if (value instanceof String string) {
                StringBuilder written = new StringBuilder("\"");
                for (char sign : string.toCharArray()) {
                    if (sign == '"' || sign == '\\') {
                        written.append('\\').append(sign);
                    } else if (sign < ' ') {
                        written.append(String.format("\\u%04x", (int) sign));
                    } else {
                        written.append(sign);
                    }
                }
                return written.append('"').toString();
            }
            if (value instanceof List<?> items) {
                List<String> written = new ArrayList<>();
                items.forEach(item -> written.add(write(item)));
                return "[" + String.join(",", written) + "]";
            }
            return String.valueOf(value);
        }
    }
}
