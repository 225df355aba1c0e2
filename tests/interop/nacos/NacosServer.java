import com.alibaba.nacos.core.code.ControllerMethodsCache;
import com.alibaba.nacos.plugin.auth.exception.AccessException;
import com.alibaba.nacos.sys.filter.NacosTypeExcludeFilter;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.AutoConfigurationExcludeFilter;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.context.TypeExcludeFilter;
import org.springframework.boot.web.servlet.ServletComponentScan;
import org.springframework.context.annotation.ComponentScan;
import org.springframework.context.annotation.FilterType;
import org.springframework.context.annotation.Import;
import org.springframework.context.event.ContextRefreshedEvent;
import org.springframework.context.event.EventListener;
import org.springframework.http.HttpStatus;
import org.springframework.scheduling.annotation.EnableScheduling;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestControllerAdvice;

/** A Nacos server from its modules, in place of the program that its makers do not publish on Maven Central. */
@SpringBootApplication
@ComponentScan(basePackages = "com.alibaba.nacos", excludeFilters = {
    @ComponentScan.Filter(type = FilterType.CUSTOM, classes = NacosTypeExcludeFilter.class),
    @ComponentScan.Filter(type = FilterType.CUSTOM, classes = TypeExcludeFilter.class),
    @ComponentScan.Filter(type = FilterType.CUSTOM, classes = AutoConfigurationExcludeFilter.class)})
@ServletComponentScan("com.alibaba.nacos")
@EnableScheduling
@Import(NacosServer.Refusals.class)
public class NacosServer {
    private static final String[] CONTROLLERS = {
        "com.alibaba.nacos.core.controller",
        "com.alibaba.nacos.naming.controllers",
        "com.alibaba.nacos.config.server.controller"};

    private final ControllerMethodsCache methods;

    public NacosServer(ControllerMethodsCache methods) {
        this.methods = methods;
    }

    public static void main(String[] args) {
        SpringApplication.run(NacosServer.class, args);
    }

    /** The console's part, which is not published either: without it the naming API answers 501. */
    @EventListener(ContextRefreshedEvent.class)
    void started() {
        for (String controllers : CONTROLLERS) {
            methods.initClassMethod(controllers);
        }
    }

    /** Also of the console: without it a wrong password is answered with 500. */
    @RestControllerAdvice
    public static class Refusals {
        @ExceptionHandler(AccessException.class)
        @ResponseStatus(HttpStatus.FORBIDDEN)
        public String refused(AccessException why) {
            return why.getErrMsg();
        }
    }
}
