import com.google.protobuf.DynamicMessage;
import com.google.protobuf.DescriptorProtos.*;
import com.google.protobuf.Descriptors.FileDescriptor;
import java.io.*;
import java.util.*;

/**
 * Reads lines of a FileDescriptorSet in base64, whose files stand after those that they import, a tab and a message of the
 * last file's first type in hex; answers with the message written again, or with what is wrong.
 */
public class Echo {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        for (String line; (line = in.readLine()) != null; ) {
            try {
                int tab = line.indexOf('\t');
                Map<String, FileDescriptor> files = new HashMap<>();
                FileDescriptor last = null;
                for (FileDescriptorProto file : FileDescriptorSet.parseFrom(Base64.getDecoder().decode(line.substring(0, tab))).getFileList()) {
                    FileDescriptor[] imports = file.getDependencyList().stream().map(files::get).toArray(FileDescriptor[]::new);
                    files.put(file.getName(), last = FileDescriptor.buildFrom(file, imports));
                }
                byte[] payload = HexFormat.of().parseHex(line.substring(tab + 1));
                DynamicMessage message = DynamicMessage.parseFrom(last.getMessageTypes().get(0), payload);
                if (!message.getUnknownFields().asMap().isEmpty()) {
                    out.println("unknown fields in " + message.toString().replace('\n', ' '));
                } else {
                    out.println(HexFormat.of().formatHex(message.toByteArray()));
                }
            } catch (Exception e) {
                out.println(e.toString().replace('\n', ' '));
            }
        }
    }
}
