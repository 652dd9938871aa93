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
