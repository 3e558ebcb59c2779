import java.nio.file.Path;
import java.util.Map;
import org.opensearch.common.settings.Settings;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;

/**
 * One real OpenSearch node: {@code java -cp 'launcher:home/lib/*' Launcher HOME RUNDIR HTTP_PORT [key=value ...]}.
 * RUNDIR/config must exist.
 *
 * <p>Modules and plugins load from HOME/modules and HOME/plugins with their own class loaders, as in a distribution.
 * What is left out is org.opensearch.bootstrap.Bootstrap: security manager, bootstrap checks, refusal of root.
 */
public class Launcher {
    public static void main(String[] args) throws Exception {
        if (args.length < 3) {
            System.err.println("usage: Launcher HOME RUNDIR HTTP_PORT [key=value ...]");
            System.exit(2);
        }
        String home = args[0], run = args[1], port = args[2];
        Settings.Builder settings = Settings.builder()
            .put("path.home", home).put("path.data", run + "/data").put("path.logs", run + "/logs")
            .put("cluster.name", "seclog-test").put("node.name", "n" + port)
            .put("network.host", "127.0.0.1").put("http.port", port).put("transport.port", "0")
            .put("cluster.routing.allocation.disk.threshold_enabled", false);
        for (int i = 3; i < args.length; i++) {
            String[] pair = args[i].split("=", 2);
            if (pair.length != 2) {
                System.err.println("setting without a value: " + args[i]);
                System.exit(2);
            }
            settings.put(pair[0], pair[1]);
        }
        if (settings.get("discovery.seed_hosts") == null) {
            settings.put("discovery.type", "single-node");
        }
        Node node = new Node(InternalSettingsPreparer.prepareEnvironment(
            settings.build(), Map.of(), Path.of(run, "config"), () -> "n" + port));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        try {
            node.start();
        } catch (Exception e) {
            e.printStackTrace();
            System.exit(1);   // a node that cannot bind must end, not linger with its other threads
        }
        Thread.currentThread().join();
    }
}
