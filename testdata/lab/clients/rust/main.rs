//! The Rust client of the lab.

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::ClientContext;
use std::env::var;
use std::process::exit;
use std::sync::mpsc::{channel, Sender};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

// How long each step may take: together below 20 s, unless LAB_PATIENCE asks for
// a multiple, as a busy machine needs.
const PRODUCE: u64 = 5;
const CONSUME: u64 = 7;
const LIST: u64 = 4;
const WATCHDOG: u64 = 18;

fn limit(seconds: u64) -> Duration {
    Duration::from_secs(seconds * env("LAB_PATIENCE").parse().unwrap_or(1))
}

fn env(name: &str) -> String {
    var(name).unwrap_or_default()
}

fn config() -> ClientConfig {
    let mut c = ClientConfig::new();
    let security = var("KAFKA_SECURITY").unwrap_or("PLAINTEXT".to_string());
    c.set("bootstrap.servers", env("KAFKA_BOOTSTRAP"));
    c.set("security.protocol", &security);
    if !env("LAB_CLIENT_ID").is_empty() {
        c.set("client.id", env("LAB_CLIENT_ID"));
    }
    if security.ends_with("SSL") {
        c.set("ssl.ca.location", env("KAFKA_CA"));
    }
    if security.starts_with("SASL_") {
        c.set("sasl.mechanism", env("KAFKA_SASL_MECHANISM"));
        c.set("sasl.username", env("KAFKA_USER"));
        c.set("sasl.password", env("KAFKA_PASSWORD"));
    }
    c
}

/// Sends on what became of each record.
struct Delivered(Mutex<Sender<Result<(), String>>>);

impl ClientContext for Delivered {}

impl ProducerContext for Delivered {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        let result = result.as_ref().map(|_| ()).map_err(|(e, _)| e.to_string());
        self.0.lock().unwrap().send(result).ok();
    }
}

fn produce() -> Result<String, String> {
    let (send, delivered) = channel();
    let timeout = (limit(PRODUCE) - Duration::from_millis(500)).as_millis().to_string();
    let p: ThreadedProducer<Delivered> = config()
        .set("message.timeout.ms", timeout)
        .create_with_context(Delivered(Mutex::new(send)))
        .map_err(|e| e.to_string())?;
    let topic = env("KAFKA_TOPIC");
    for n in 1..=3 {
        let (key, value) = (format!("key-{n}"), format!("secret-{n}"));
        p.send(BaseRecord::to(&topic).key(&key).payload(&value)).map_err(|(e, _)| e.to_string())?;
    }
    for _ in 0..3 {
        delivered.recv_timeout(limit(PRODUCE)).map_err(|e| e.to_string())??;
    }
    Ok("3 records".to_string())
}

fn consume() -> Result<String, String> {
    let c: BaseConsumer = config()
        .set("group.id", env("KAFKA_GROUP"))
        .set("auto.offset.reset", "earliest")
        .create()
        .map_err(|e| e.to_string())?;
    c.subscribe(&[&env("KAFKA_TOPIC")]).map_err(|e| e.to_string())?;
    let (end, mut got, mut last) = (Instant::now() + limit(CONSUME) - Duration::from_secs(1), 0, String::new());
    while Instant::now() < end {
        match c.poll(Duration::from_millis(100)) {
            Some(Ok(m)) if m.payload().is_some_and(|v| v.starts_with(b"secret-")) => got += 1,
            Some(Err(e)) => last = format!(": {e}"),
            _ => {}
        }
        if got == 3 {
            return Ok("3 records".to_string());
        }
    }
    Err(format!("{got} of 3 records came{last}"))
}

fn list() -> Result<String, String> {
    let p: BaseProducer = config().create().map_err(|e| e.to_string())?;
    let m = p.client().fetch_metadata(None, limit(LIST) - Duration::from_millis(500)).map_err(|e| e.to_string())?;
    Ok(format!("{} topics", m.topics().len()))
}

/// Sends a record every LAB_PAUSE ms and consumes them for a time. Errors are printed and do not
/// end it: the broker may go away and come back.
fn steady(length: Duration) {
    let until = Instant::now() + length;
    let sender = thread::spawn(move || {
        let pause = Duration::from_millis(env("LAB_PAUSE").parse().unwrap_or(0).max(100));
        let padding = ".".repeat(env("LAB_SIZE").parse().unwrap_or(0));
        let (send, delivered) = channel();
        let p: ThreadedProducer<Delivered> = config()
            .set("message.timeout.ms", "3000")
            .set("message.max.bytes", "4194304")
            .create_with_context(Delivered(Mutex::new(send)))
            .expect("settings are right");
        let (topic, mut sent, mut failed) = (env("KAFKA_TOPIC"), 0, 0);
        while Instant::now() < until {
            sent += 1;
            let (key, value) = (format!("key-{sent}"), format!("secret-{sent}{padding}"));
            let queued = p.send(BaseRecord::to(&topic).key(&key).payload(&value)).map_err(|(e, _)| e.to_string());
            let result = queued.and_then(|_| delivered.recv_timeout(Duration::from_secs(5)).unwrap_or(Err("no answer".to_string())));
            if let Err(e) = result {
                failed += 1;
                println!("send: {e}");
            }
            thread::sleep(pause.min(until.saturating_duration_since(Instant::now())));
        }
        (sent, failed)
    });
    let receiver = thread::spawn(move || {
        let c: BaseConsumer = config()
            .set("group.id", env("KAFKA_GROUP"))
            .set("auto.offset.reset", "earliest")
            .create()
            .expect("settings are right");
        c.subscribe(&[&env("KAFKA_TOPIC")]).expect("subscribe");
        let mut got = 0;
        while Instant::now() < until {
            if let Some(Ok(_)) = c.poll(Duration::from_millis(100)) {
                got += 1;
            }
        }
        got
    });
    let (sent, failed) = sender.join().unwrap_or_default();
    println!("ok steady: {sent} records sent, {} received, {failed} errors", receiver.join().unwrap_or_default());
    exit(0);
}

/// Runs one step in a thread of its own and says how it ended.
fn step(name: &str, seconds: u64, f: fn() -> Result<String, String>) -> bool {
    let (send, done) = channel();
    thread::spawn(move || send.send(f()).ok());
    let result = done
        .recv_timeout(limit(seconds))
        .unwrap_or_else(|_| Err(format!("not done after {:?}", limit(seconds))));
    match &result {
        Ok(said) => println!("ok {name}: {said}"),
        Err(e) => println!("failed {name}: {e}"),
    }
    result.is_ok()
}

fn main() {
    if ["KAFKA_BOOTSTRAP", "KAFKA_TOPIC", "KAFKA_GROUP"].iter().any(|name| env(name).is_empty()) {
        println!("environment: KAFKA_BOOTSTRAP, KAFKA_TOPIC and KAFKA_GROUP are needed");
        exit(2);
    }
    if let Ok(length) = env("LAB_STEADY").parse() {
        steady(Duration::from_millis(length));
    }
    thread::spawn(|| {
        thread::sleep(limit(WATCHDOG));
        println!("failed: not done after {:?}", limit(WATCHDOG));
        exit(3);
    });
    let mut ok = step("produce", PRODUCE, produce);
    ok &= step("consume", CONSUME, consume);
    ok &= step("list", LIST, list);
    exit(if ok { 0 } else { 1 });
}
