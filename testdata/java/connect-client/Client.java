import java.util.Map;
import java.util.concurrent.Callable;
import org.sourcelab.kafka.connect.apiclient.Configuration;
import org.sourcelab.kafka.connect.apiclient.KafkaConnectClient;
import org.sourcelab.kafka.connect.apiclient.request.dto.NewConnectorDefinition;

/** Takes a connector through its life with the client of org.sourcelab: Client URL NAME FILE TOPIC. */
public class Client {
  public static void main(String[] args) throws Exception {
    String name = args[1];
    KafkaConnectClient client = new KafkaConnectClient(new Configuration(args[0]));
    check("version", client.getConnectServerVersion().getVersion().startsWith("4."));
    check("plugins", client.getConnectorPlugins().stream().anyMatch(p -> p.getClassName().endsWith("FileStreamSourceConnector")));
    check("absent", !client.getConnectors().contains(name));
    client.addConnector(NewConnectorDefinition.newBuilder().withName(name)
        .withConfig("connector.class", "org.apache.kafka.connect.file.FileStreamSourceConnector")
        .withConfig("tasks.max", "1").withConfig("file", args[2]).withConfig("topic", args[3]).build());
    await("listed", () -> client.getConnectors().contains(name));
    await("running", () -> state(client, name).equals("RUNNING") && client.getConnectorStatus(name).getTasks().size() == 1);
    check("config", client.getConnectorConfig(name).get("file").equals(args[2]));
    check("definition", client.getConnector(name).getType().equals("source"));
    check("tasks", client.getConnectorTasks(name).size() == 1);
    check("task", client.getConnectorTaskStatus(name, 0).getId() == 0);
    check("expanded", client.getConnectorsWithAllExpandedMetadata().getAllStatuses().stream().anyMatch(s -> s.getName().equals(name)));
    check("pause", client.pauseConnector(name));
    await("paused", () -> state(client, name).equals("PAUSED"));
    check("resume", client.resumeConnector(name));
    await("resumed", () -> state(client, name).equals("RUNNING"));
    check("restart", client.restartConnector(name));
    await("restarted", () -> client.getConnectorStatus(name).getTasks().get(0).getState().equals("RUNNING"));
    check("restart of a task", client.restartConnectorTask(name, 0));
    client.updateConnectorConfig(name, Map.of("connector.class", "FileStreamSource", "tasks.max", "1", "file", args[2], "topic", args[3], "batch.size", "7"));
    await("changed", () -> "7".equals(client.getConnectorConfig(name).get("batch.size")));
    check("delete", client.deleteConnector(name));
    await("deleted", () -> !client.getConnectors().contains(name));
    System.out.println("all done");
    System.exit(0);
  }

  static String state(KafkaConnectClient client, String name) {
    return client.getConnectorStatus(name).getConnector().get("state");
  }

  static void check(String what, boolean holds) {
    if (!holds) {
      throw new IllegalStateException("not so: " + what);
    }
    System.out.println(what);
  }

  /** A status may not be there yet, which is an exception of the client. */
  static void await(String what, Callable<Boolean> holds) throws Exception {
    Exception last = null;
    for (long end = System.currentTimeMillis() + 30_000; System.currentTimeMillis() < end; Thread.sleep(50)) {
      try {
        if (holds.call()) {
          System.out.println(what);
          return;
        }
      } catch (Exception e) {
        last = e;
      }
    }
    throw new IllegalStateException("not so after 30 s: " + what, last);
  }
}
