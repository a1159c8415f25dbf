"""Takes a connector through its life with the client kafka-connect-api: connect_client.py HOST PORT NAME FILE TOPIC."""

import sys
import time

from kafka_connect_api.kafka_connect_api import Api, Cluster

host, port, name, file, topic = sys.argv[1:]
api = Api(host, port=int(port))
cluster = Cluster(api)


def wait(what, holds):
    """A status may not be there yet, which is an exception of the client."""
    end, last = time.time() + 30, None
    while time.time() < end:
        try:
            if holds():
                print(what)
                return
        except Exception as e:  # noqa: BLE001
            last = e
        time.sleep(0.05)
    raise SystemExit(f"not so after 30 s: {what}: {last!r}")


assert cluster.version.startswith("4."), cluster.version
assert cluster.kafka_cluster
assert name not in cluster.connectors
config = {"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1", "file": file, "topic": topic}
api.post("/connectors", json={"name": name, "config": config})
wait("listed", lambda: name in cluster.connectors)
connector = cluster.connectors[name]
assert connector.exists()
wait("running", lambda: connector.state == "RUNNING")
wait("tasks", lambda: len(connector.tasks) == 1 and connector.tasks[0].is_running())
assert connector.config["file"] == file
connector.pause()
wait("paused", lambda: connector.state == "PAUSED")
connector.resume()
wait("resumed", lambda: connector.state == "RUNNING")
connector.restart()
wait("restarted", lambda: connector.tasks[0].is_running())
connector.restart_all_tasks()
wait("tasks restarted", lambda: connector.tasks[0].is_running())
connector.config = {**config, "batch.size": "7"}
wait("changed", lambda: connector.config.get("batch.size") == "7")
cluster.set_logger_log_level("org.apache.kafka.connect", "DEBUG")
connector.delete()
wait("deleted", lambda: name not in cluster.connectors)
print("all done")
