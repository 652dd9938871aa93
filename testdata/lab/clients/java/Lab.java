import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Method;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Collections;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** The Java client of the lab; compiles against kafka-clients from 0.10.2 on. */
public class Lab {
    // How long each step may take: together below 20 s, unless LAB_PATIENCE asks for a multiple, as a busy machine needs.
    static final long PATIENCE = env("LAB_PATIENCE").isEmpty() ? 1 : Long.parseLong(env("LAB_PATIENCE"));
    static final long PRODUCE_MS = PATIENCE * 9_000, CONSUME_MS = PATIENCE * 7_000, LIST_MS = PATIENCE * 3_000;
    static final long WATCHDOG_MS = PATIENCE * 19_500;

    static final String STRING = "org.apache.kafka.common.serialization.String";

    static String env(String name) {
        String v = System.getenv(name);
        return v == null ? "" : v;
    }

    /** The properties of all clients: the address and how to be let in. */
    static Properties config() throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", env("KAFKA_BOOTSTRAP"));
        if (!env("LAB_CLIENT_ID").isEmpty()) {
            p.put("client.id", env("LAB_CLIENT_ID"));
        }
        String security = env("KAFKA_SECURITY").isEmpty() ? "PLAINTEXT" : env("KAFKA_SECURITY");
        p.put("security.protocol", security);
        if (security.endsWith("SSL")) {
            p.put("ssl.truststore.location", truststore());
            p.put("ssl.truststore.type", "PKCS12");
            p.put("ssl.truststore.password", "changeit");
        }
        if (security.startsWith("SASL_")) {
            String mechanism = env("KAFKA_SASL_MECHANISM");
            String module = mechanism.equals("PLAIN") ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
            p.put("sasl.mechanism", mechanism);
            p.put("sasl.jaas.config", "org.apache.kafka.common.security." + module + " required username=\""
                + env("KAFKA_USER") + "\" password=\"" + env("KAFKA_PASSWORD") + "\";");
        }
        return p;
    }

    /** KAFKA_CA as a PKCS#12 file: clients before 2.7 read no PEM. */
    static String truststore() throws Exception {
        Certificate ca;
        try (InputStream in = new FileInputStream(env("KAFKA_CA"))) {
            ca = CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setCertificateEntry("ca", ca);
        File file = File.createTempFile("lab", ".p12");
        file.deleteOnExit();
        try (OutputStream out = new FileOutputStream(file)) {
            store.store(out, "changeit".toCharArray());
        }
        return file.getPath();
    }

    static KafkaConsumer<String, String> consumer() throws Exception {
        Properties p = config();
        p.put("key.deserializer", STRING + "Deserializer");
        p.put("value.deserializer", STRING + "Deserializer");
        p.put("group.id", env("KAFKA_GROUP"));
        p.put("auto.offset.reset", "earliest");
        if (!env("LAB_GROUP_PROTOCOL").isEmpty()) {
            p.put("group.protocol", env("LAB_GROUP_PROTOCOL"));
        }
        return new KafkaConsumer<>(p);
    }

    /** poll(Duration) came in 2.0 and poll(long) went in 4.0. */
    @SuppressWarnings("unchecked")
    static ConsumerRecords<String, String> poll(KafkaConsumer<String, String> c) throws Exception {
        Method m;
        Object limit;
        try {
            m = KafkaConsumer.class.getMethod("poll", Duration.class);
            limit = Duration.ofMillis(200);
        } catch (NoSuchMethodException e) {
            m = KafkaConsumer.class.getMethod("poll", long.class);
            limit = 200L;
        }
        return (ConsumerRecords<String, String>) m.invoke(c, limit);
    }

    static String produce() throws Exception {
        Properties p = config();
        p.put("key.serializer", STRING + "Serializer");
        p.put("value.serializer", STRING + "Serializer");
        p.put("max.block.ms", Long.toString(PRODUCE_MS - 500));
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(p)) {
            for (int n = 1; n <= 3; n++) {
                producer.send(new ProducerRecord<>(env("KAFKA_TOPIC"), "key-" + n, "secret-" + n)).get();
            }
        }
        return "3 records";
    }

    static String consume() throws Exception {
        int got = 0;
        try (KafkaConsumer<String, String> consumer = consumer()) {
            consumer.subscribe(Collections.singletonList(env("KAFKA_TOPIC")));
            for (long end = System.currentTimeMillis() + CONSUME_MS - 1000; got < 3 && System.currentTimeMillis() < end;) {
                for (ConsumerRecord<String, String> r : poll(consumer)) {
                    if (r.value().startsWith("secret-")) {
                        got++;
                    }
                }
            }
            if (got >= 3) {
                consumer.commitSync();
            }
        }
        if (got < 3) {
            throw new Exception(got + " of 3 records came");
        }
        return "3 records";
    }

    static String list() throws Exception {
        try (KafkaConsumer<String, String> consumer = consumer()) {
            return consumer.listTopics().size() + " topics";
        }
    }

    static void steadySend(long until, long[] counts) throws Exception {
        long pause = env("LAB_PAUSE").isEmpty() ? 500 : Long.parseLong(env("LAB_PAUSE"));
        String padding = new String(new char[env("LAB_SIZE").isEmpty() ? 0 : Integer.parseInt(env("LAB_SIZE"))]).replace('\0', '.');
        Properties p = config();
        p.put("key.serializer", STRING + "Serializer");
        p.put("value.serializer", STRING + "Serializer");
        p.put("max.block.ms", "3000");
        p.put("max.request.size", Integer.toString(4 << 20));
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(p)) {
            while (System.currentTimeMillis() < until) {
                long n = ++counts[0];
                try {
                    producer.send(new ProducerRecord<>(env("KAFKA_TOPIC"), "key-" + n, "secret-" + n + padding)).get(5, TimeUnit.SECONDS);
                } catch (ExecutionException | TimeoutException e) {
                    failed("send", e, counts);
                }
                Thread.sleep(Math.max(0, Math.min(until - System.currentTimeMillis(), Math.max(100, pause))));
            }
            closeSoon(producer);
        }
    }

    /** A producer whose broker is away waits for it for long: its close gets a second. */
    static void closeSoon(KafkaProducer<String, String> producer) throws Exception {
        try {
            KafkaProducer.class.getMethod("close", Duration.class).invoke(producer, Duration.ofSeconds(1));
        } catch (NoSuchMethodException e) {
            KafkaProducer.class.getMethod("close", long.class, TimeUnit.class).invoke(producer, 1L, TimeUnit.SECONDS);
        }
    }

    static void steadyReceive(long until, long[] counts) throws Exception {
        try (KafkaConsumer<String, String> consumer = consumer()) {
            consumer.subscribe(Collections.singletonList(env("KAFKA_TOPIC")));
            while (System.currentTimeMillis() < until) {
                counts[1] += poll(consumer).count();
            }
        }
    }

    static void failed(String what, Throwable e, long[] counts) {
        while (e.getCause() != null) {
            e = e.getCause();
        }
        if (++counts[2] <= 20) {
            System.out.println(java.time.LocalTime.now() + " " + what + ": " + e);
        }
    }

    interface Run {
        void run(long until, long[] counts) throws Exception;
    }

    /** Repeats one half of the steady run until the time is over. */
    static Thread half(String name, Run run, long until, long[] counts) {
        Thread t = new Thread(() -> {
            while (System.currentTimeMillis() < until) {
                try {
                    run.run(until, counts);
                } catch (Throwable e) {
                    failed(name, e, counts);
                }
            }
        });
        t.setDaemon(true);
        t.start();
        return t;
    }

    /**
     * Sends a record every LAB_PAUSE ms and consumes them for a time. Errors are printed and do not end it:
     * the broker may go away and come back.
     */
    static void steady(long length) throws Exception {
        long until = System.currentTimeMillis() + length;
        long[] counts = new long[3]; // sent, received, errors
        Thread sender = half("produce", Lab::steadySend, until, counts), receiver = half("consume", Lab::steadyReceive, until, counts);
        sender.join(length + 4_000);
        receiver.join(Math.max(1, until + 4_000 - System.currentTimeMillis()));
        System.out.println("ok steady: " + counts[0] + " records sent, " + counts[1] + " received, " + counts[2] + " errors");
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    /** Runs one step in a thread of its own and says how it ended. */
    static boolean step(String name, long limit, Callable<String> f) throws Exception {
        FutureTask<String> task = new FutureTask<>(f);
        Thread t = new Thread(task);
        t.setDaemon(true);
        t.start();
        try {
            System.out.println("ok " + name + ": " + task.get(limit, TimeUnit.MILLISECONDS));
            return true;
        } catch (TimeoutException e) {
            System.out.println("failed " + name + ": not done after " + limit + "ms");
        } catch (ExecutionException e) {
            Throwable cause = e.getCause();
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            System.out.println("failed " + name + ": " + cause);
        }
        return false;
    }

    public static void main(String[] args) throws Exception {
        if (env("KAFKA_BOOTSTRAP").isEmpty() || env("KAFKA_TOPIC").isEmpty() || env("KAFKA_GROUP").isEmpty()) {
            System.out.println("environment: KAFKA_BOOTSTRAP, KAFKA_TOPIC and KAFKA_GROUP are needed");
            System.exit(2);
        }
        if (!env("LAB_STEADY").isEmpty()) {
            steady(Long.parseLong(env("LAB_STEADY")));
        }
        Thread watchdog = new Thread(() -> {
            try {
                Thread.sleep(WATCHDOG_MS);
            } catch (InterruptedException e) {
                return;
            }
            System.out.println("failed: not done after " + WATCHDOG_MS + "ms");
            Runtime.getRuntime().halt(3);
        });
        watchdog.setDaemon(true);
        watchdog.start();
        boolean ok = step("produce", PRODUCE_MS, Lab::produce);
        ok &= step("consume", CONSUME_MS, Lab::consume);
        ok &= step("list", LIST_MS, Lab::list);
        System.exit(ok ? 0 : 1);
    }
}
