package shop.desk.v1;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.dubbo.common.stream.StreamObserver;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;
import org.apache.dubbo.rpc.RpcContext;
import org.apache.dubbo.rpc.RpcException;
import org.apache.dubbo.rpc.StatusRpcException;

/**
 * A consumer: {@code Consumer TARGET GROUP|- VERSION|- STEP…}. The target is the URL of a provider ({@code tri://…}) or of a
 * registry. Each step prints one line, {@code STEP: what came}; {@code calls:FILE} calls until there is that file, prints how it
 * went on the way, and at the end who answered how often.
 */
public final class Consumer {
    /** Between two calls, where many are made, in milliseconds. */
    private static final long PAUSE = 5;

    private final DeskApi desk;

    private Consumer(DeskApi desk) {
        this.desk = desk;
    }

    public static void main(String[] args) throws Exception {
        ReferenceConfig<DeskApi> reference = new ReferenceConfig<>();
        reference.setInterface(DeskApi.class);
        reference.setTimeout(3000);
        reference.setProxy("nativestub");
        reference.setGroup(Provider.said(args, 1));
        reference.setVersion(Provider.said(args, 2));
        reference.setCheck(false);
        // Dubbo warms a provider up for ten minutes: whoever wants its weight at once says so.
        String warmUp = System.getProperty("desk.warmup");
        if (warmUp != null) {
            reference.setParameters(Map.of("warmup", warmUp));
        }
        ApplicationConfig application = new ApplicationConfig("asker-java");
        application.setQosEnable(false);
        boolean direct = args[0].startsWith("tri://");
        if (direct) {
            reference.setUrl(args[0]);
        }
        DubboBootstrap.getInstance()
                .application(application)
                .registry(Provider.registry(direct ? "none" : args[0]))
                .reference(reference)
                .start();
        Consumer consumer = new Consumer(reference.get());
        System.out.println("READY");
        for (int i = 3; i < args.length; i++) {
            String came;
            try {
                came = consumer.step(args[i]);
            } catch (Throwable error) {
                came = failure(error);
            }
            System.out.println(args[i] + ": " + came);
        }
        System.out.println("DONE");
        System.exit(0);
    }

    private String step(String step) throws Exception {
        String[] parts = step.split(":", 2);
        String rest = parts.length > 1 ? parts[1] : "";
        switch (parts[0]) {
            case "level":
                return shown(desk.level(request(rest, 7)));
            case "attached":
                RpcContext.getClientAttachment().setAttachment("tenant", "t-1");
                RpcContext.getClientAttachment().setAttachment("camelCase", "Yes");
                RpcContext.getClientAttachment().setObjectAttachment("raw", "bytes1".getBytes());
                LevelReply reply = desk.level(request(rest, 7));
                Map<String, Object> back = RpcContext.getClientResponseContext().getObjectAttachments();
                return "seen " + new TreeMap<>(reply.getSeenMap()) + " back " + new TreeMap<>(back);
            case "watch":
                return watch(request(rest, 5));
            case "load":
                return load();
            case "chat":
                return chat();
            case "calls":
                return calls(Path.of(rest));
            default:
                throw new IllegalArgumentException(step);
        }
    }

    private static LevelRequest request(String mode, int count) {
        return LevelRequest.newBuilder().setSku("a-1").setCount(count).setMode(mode).build();
    }

    private static String shown(LevelReply reply) {
        String sku = reply.getSku().length() > 20 ? reply.getSku().length() + " characters" : reply.getSku();
        return sku + " " + reply.getLeft() + " from " + reply.getNode();
    }

    private String watch(LevelRequest request) throws Exception {
        Collect<LevelReply> replies = new Collect<>();
        desk.watch(request, replies);
        return replies.shown(Consumer::shown);
    }

    private String load() throws Exception {
        Collect<LoadReply> reply = new Collect<>();
        StreamObserver<LevelRequest> requests = desk.load(reply);
        for (int i = 1; i <= 4; i++) {
            requests.onNext(request("", i));
        }
        requests.onCompleted();
        return reply.shown(one -> one.getSum() + " from " + one.getNode());
    }

    private String chat() throws Exception {
        Collect<LevelReply> replies = new Collect<>();
        StreamObserver<LevelRequest> requests = desk.chat(replies);
        for (int i = 1; i <= 3; i++) {
            requests.onNext(request("", i));
        }
        requests.onCompleted();
        return replies.shown(Consumer::shown);
    }

    private String calls(Path until) throws Exception {
        Map<String, Integer> nodes = new TreeMap<>();
        int calls = 0;
        int failed = 0;
        String last = "";
        while (!Files.exists(until)) {
            calls++;
            try {
                nodes.merge(desk.level(request("", calls)).getNode(), 1, Integer::sum);
            } catch (RpcException error) {
                failed++;
                last = failure(error);
            }
            if (calls % 20 == 0) {
                System.out.println("so far " + calls + " failed " + failed + " " + nodes);
            }
            Thread.sleep(PAUSE);
        }
        return "calls " + calls + " failed " + failed + " " + nodes + " " + last;
    }

    private static String failure(Throwable error) {
        for (Throwable one = error; one != null; one = one.getCause()) {
            if (one instanceof StatusRpcException status) {
                return "status " + status.getStatus().code.code + " " + status.getStatus().description;
            }
        }
        String code = error instanceof RpcException rpc ? "code " + rpc.getCode() + " " : "";
        String text = String.valueOf(error.getMessage()).replace('\n', ' ');
        return code + error.getClass().getSimpleName() + " " + text.substring(0, Math.min(300, text.length()));
    }

    /** What came of a stream. */
    private static final class Collect<T> implements StreamObserver<T> {
        private final List<T> all = new ArrayList<>();
        private final CompletableFuture<Throwable> ended = new CompletableFuture<>();

        @Override
        public void onNext(T one) {
            all.add(one);
        }

        @Override
        public void onError(Throwable error) {
            ended.complete(error);
        }

        @Override
        public void onCompleted() {
            ended.complete(null);
        }

        String shown(java.util.function.Function<T, String> show) throws Exception {
            Throwable error = ended.get(10, TimeUnit.SECONDS);
            return all.stream().map(show).toList() + (error == null ? "" : " then " + failure(error));
        }
    }
}
