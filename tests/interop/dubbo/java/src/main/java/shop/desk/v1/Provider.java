package shop.desk.v1;

import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/**
 * A provider: {@code Provider NODE PORT REGISTRY|none [GROUP] [VERSION] [WEIGHT]}. It says READY when it is registered.
 * Dubbo's own properties ({@code -Ddubbo.…}) say the rest.
 */
public final class Provider {
    public static void main(String[] args) throws Exception {
        ServiceConfig<DeskApi> service = new ServiceConfig<>();
        service.setInterface(DeskApi.class);
        service.setRef(new DeskService(args[0]));
        service.setGroup(said(args, 3));
        service.setVersion(said(args, 4));
        if (said(args, 5) != null) {
            service.setWeight(Integer.parseInt(args[5]));
        }
        ApplicationConfig application = new ApplicationConfig("desk-java");
        application.setQosEnable(false);
        DubboBootstrap.getInstance()
                .application(application)
                .registry(registry(args[2]))
                .protocol(new ProtocolConfig("tri", Integer.parseInt(args[1])))
                .service(service)
                .start();
        System.out.println("READY");
        Thread.currentThread().join();
    }

    static RegistryConfig registry(String url) {
        return url.equals("none") ? new RegistryConfig(RegistryConfig.NO_AVAILABLE) : new RegistryConfig(url);
    }

    static String said(String[] args, int index) {
        return args.length > index && !args[index].equals("-") ? args[index] : null;
    }
}
