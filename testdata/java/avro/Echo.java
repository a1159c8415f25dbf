import java.io.*;
import java.util.HexFormat;
import org.apache.avro.Schema;
import org.apache.avro.generic.*;
import org.apache.avro.io.*;

/** Reads lines of a schema, a tab and a datum in hex; answers with the schema as Avro prints it and the datum written again. */
public class Echo {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        for (String line; (line = in.readLine()) != null; ) {
            try {
                int tab = line.indexOf('\t');
                Schema schema = new Schema.Parser().parse(line.substring(0, tab));
                byte[] datum = HexFormat.of().parseHex(line.substring(tab + 1));
                BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(datum, null);
                Object value = new GenericDatumReader<Object>(schema).read(null, decoder);
                ByteArrayOutputStream bytes = new ByteArrayOutputStream();
                BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
                new GenericDatumWriter<Object>(schema).write(value, encoder);
                encoder.flush();
                out.println(schema + "\t" + HexFormat.of().formatHex(bytes.toByteArray()) + (decoder.isEnd() ? "" : " and more"));
            } catch (Exception e) {
                out.println(e.toString().replace('\n', ' '));
            }
        }
    }
}
