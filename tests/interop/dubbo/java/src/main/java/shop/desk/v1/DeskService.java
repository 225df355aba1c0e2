package shop.desk.v1;

import java.util.Map;
import java.util.TreeMap;
import org.apache.dubbo.common.stream.StreamObserver;
import org.apache.dubbo.rpc.RpcContext;
import org.apache.dubbo.rpc.TriRpcStatus;

/** The service, as a provider of Dubbo has it. It answers as the request's mode says. */
final class DeskService extends DubboDeskApiTriple.DeskApiImplBase {
    private final String node;

    DeskService(String node) {
        this.node = node;
    }

    @Override
    public LevelReply level(LevelRequest request) {
        Map<String, String> seen = seen();
        RpcContext.getServerResponseContext().setAttachment("x-node", node);
        RpcContext.getServerResponseContext().setAttachment("camelNode", node);
        String mode = request.getMode();
        if (mode.equals("fail")) {
            throw new IllegalStateException("sold out: 100% + more");
        }
        if (mode.startsWith("status:")) {
            int code = Integer.parseInt(mode.substring(7));
            throw TriRpcStatus.fromCode(code).withDescription("asked for " + code).asException();
        }
        if (mode.startsWith("slow:")) {
            sleep(Long.parseLong(mode.substring(5)));
        }
        LevelReply.Builder reply = reply(request, request.getCount());
        if (mode.startsWith("long:")) {
            reply.setSku("x".repeat(Integer.parseInt(mode.substring(5))));
        }
        return reply.putAllSeen(seen).build();
    }

    @Override
    public void watch(LevelRequest request, StreamObserver<LevelReply> replies) {
        for (int i = 1; i <= request.getCount(); i++) {
            if (request.getMode().equals("fail") && i == request.getCount()) {
                replies.onError(new IllegalStateException("watch broke at " + i));
                return;
            }
            replies.onNext(reply(request, i).build());
        }
        replies.onCompleted();
    }

    @Override
    public StreamObserver<LevelRequest> load(StreamObserver<LoadReply> reply) {
        return new StreamObserver<>() {
            private int sum;

            @Override
            public void onNext(LevelRequest request) {
                sum += request.getCount();
            }

            @Override
            public void onError(Throwable error) {}

            @Override
            public void onCompleted() {
                reply.onNext(LoadReply.newBuilder().setSum(sum).setNode(node).build());
                reply.onCompleted();
            }
        };
    }

    @Override
    public StreamObserver<LevelRequest> chat(StreamObserver<LevelReply> replies) {
        return new StreamObserver<>() {
            @Override
            public void onNext(LevelRequest request) {
                replies.onNext(reply(request, 2 * request.getCount()).build());
            }

            @Override
            public void onError(Throwable error) {}

            @Override
            public void onCompleted() {
                replies.onCompleted();
            }
        };
    }

    private LevelReply.Builder reply(LevelRequest request, int left) {
        return LevelReply.newBuilder().setSku(request.getSku()).setLeft(left).setNode(node);
    }

    private static Map<String, String> seen() {
        Map<String, String> seen = new TreeMap<>();
        RpcContext.getServerAttachment().getObjectAttachments().forEach((name, value) -> {
            seen.put(name, value instanceof byte[] bytes ? "bytes:" + bytes.length : String.valueOf(value));
        });
        return seen;
    }

    private static void sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
