"""The Python clients of the lab: lab.py confluent-kafka|kafka-python|aiokafka."""

import asyncio
import os
import ssl
import sys
import threading
import time

# How long each step may take, in seconds: together below 20, unless LAB_PATIENCE
# asks for a multiple, as a busy machine needs.
PATIENCE = int(os.environ.get("LAB_PATIENCE") or 1)
PRODUCE, CONSUME, LIST, WATCHDOG = (PATIENCE * s for s in (5, 7, 4, 18))

BOOTSTRAP = os.environ.get("KAFKA_BOOTSTRAP", "")
TOPIC = os.environ.get("KAFKA_TOPIC", "")
GROUP = os.environ.get("KAFKA_GROUP", "")
SECURITY = os.environ.get("KAFKA_SECURITY") or "PLAINTEXT"
MECHANISM = os.environ.get("KAFKA_SASL_MECHANISM", "")
USER = os.environ.get("KAFKA_USER", "")
PASSWORD = os.environ.get("KAFKA_PASSWORD", "")
CA = os.environ.get("KAFKA_CA", "")
CLIENT_ID = os.environ.get("LAB_CLIENT_ID", "")

# The steady run: its length and the pause between records in seconds, bytes behind each value.
STEADY, PAUSE = (int(os.environ.get(name) or 0) / 1000 for name in ("LAB_STEADY", "LAB_PAUSE"))
PADDING = b"." * int(os.environ.get("LAB_SIZE") or 0)

RECORDS = [(b"key-%d" % n, b"secret-%d" % n) for n in (1, 2, 3)]


def enough(values):
    """Tells whether the three records are among the values."""
    return sum(v.startswith(b"secret-") for v in values) >= 3


def short(values):
    return RuntimeError("%d of 3 records came" % len(values))


def options():
    """The settings that kafka-python and aiokafka have in common."""
    o = {"bootstrap_servers": BOOTSTRAP, "security_protocol": SECURITY}
    if CLIENT_ID:
        o["client_id"] = CLIENT_ID
    if SECURITY.endswith("SSL"):
        context = ssl.create_default_context(cafile=CA)
        if os.environ.get("SSLKEYLOGFILE"):
            context.keylog_filename = os.environ["SSLKEYLOGFILE"]
        o["ssl_context"] = context
    if SECURITY.startswith("SASL_"):
        o.update(sasl_mechanism=MECHANISM, sasl_plain_username=USER, sasl_plain_password=PASSWORD)
    return o


class ConfluentKafka:
    def config(self, **more):
        c = {"bootstrap.servers": BOOTSTRAP, "security.protocol": SECURITY, **more}
        if CLIENT_ID:
            c["client.id"] = CLIENT_ID
        if SECURITY.endswith("SSL"):
            c["ssl.ca.location"] = CA
        if SECURITY.startswith("SASL_"):
            c.update({"sasl.mechanism": MECHANISM, "sasl.username": USER, "sasl.password": PASSWORD})
        return c

    def produce(self):
        from confluent_kafka import KafkaException, Producer

        failed = []
        p = Producer(self.config(**{"message.timeout.ms": PRODUCE * 1000 - 500}))
        for key, value in RECORDS:
            p.produce(TOPIC, key=key, value=value, on_delivery=lambda e, _: failed.append(e) if e else None)
        p.flush(PRODUCE)
        if failed:
            raise KafkaException(failed[0])

    def consume(self):
        from confluent_kafka import Consumer

        c = Consumer(self.config(**{"group.id": GROUP, "auto.offset.reset": "earliest"}))
        try:
            c.subscribe([TOPIC])
            values, end = [], time.monotonic() + CONSUME - 1
            while not enough(values):
                if time.monotonic() > end:
                    raise short(values)
                m = c.poll(0.1)
                if m is not None and m.error() is None:
                    values.append(m.value())
        finally:
            c.close()

    def list(self):
        from confluent_kafka.admin import AdminClient

        return AdminClient(self.config()).list_topics(timeout=LIST - 0.5).topics

    def send(self):
        from confluent_kafka import KafkaException, Producer

        p = Producer(self.config(**{"message.timeout.ms": 3000, "message.max.bytes": 4 << 20}))

        def one(key, value):
            said = []
            p.produce(TOPIC, key=key, value=value, on_delivery=lambda e, _: said.append(e))
            p.flush(4)
            if not said or said[0]:
                raise KafkaException(said[0] if said else "no answer")

        return one, lambda: None

    def receive(self, until, got):
        from confluent_kafka import Consumer

        c = Consumer(self.config(**{"group.id": GROUP, "auto.offset.reset": "earliest"}))
        try:
            c.subscribe([TOPIC])
            while time.monotonic() < until:
                m = c.poll(0.1)
                if m is not None and m.error() is None:
                    got()
        finally:
            c.close()


class KafkaPython:
    def produce(self):
        from kafka import KafkaProducer

        p = KafkaProducer(max_block_ms=PRODUCE * 1000 - 500, **options())
        for key, value in RECORDS:
            p.send(TOPIC, key=key, value=value).get(timeout=PRODUCE)
        p.close(timeout=1)

    def consume(self):
        from kafka import KafkaConsumer

        c = KafkaConsumer(TOPIC, group_id=GROUP, auto_offset_reset="earliest", **options())
        try:
            values, end = [], time.monotonic() + CONSUME - 1
            while not enough(values):
                if time.monotonic() > end:
                    raise short(values)
                for records in c.poll(timeout_ms=200).values():
                    values += [r.value for r in records]
            c.commit()
        finally:
            c.close()

    def list(self):
        from kafka import KafkaConsumer

        c = KafkaConsumer(**options())
        try:
            return c.topics()
        finally:
            c.close()

    def send(self):
        from kafka import KafkaProducer

        p = KafkaProducer(max_block_ms=3000, max_request_size=4 << 20, **options())
        return lambda key, value: p.send(TOPIC, key=key, value=value).get(timeout=5), lambda: p.close(timeout=1)

    def receive(self, until, got):
        from kafka import KafkaConsumer

        c = KafkaConsumer(TOPIC, group_id=GROUP, auto_offset_reset="earliest", **options())
        try:
            while time.monotonic() < until:
                for records in c.poll(timeout_ms=200).values():
                    for _ in records:
                        got()
        finally:
            c.close()


class AIOKafka:
    def produce(self):
        asyncio.run(self._produce())

    def consume(self):
        asyncio.run(self._consume())

    def list(self):
        return asyncio.run(self._list())

    async def _produce(self):
        from aiokafka import AIOKafkaProducer

        async with AIOKafkaProducer(**options()) as p:
            for key, value in RECORDS:
                await p.send_and_wait(TOPIC, key=key, value=value)

    async def _consume(self):
        from aiokafka import AIOKafkaConsumer

        async with AIOKafkaConsumer(TOPIC, group_id=GROUP, auto_offset_reset="earliest", **options()) as c:
            values, end = [], time.monotonic() + CONSUME - 1
            while not enough(values):
                if time.monotonic() > end:
                    raise short(values)
                for records in (await c.getmany(timeout_ms=200)).values():
                    values += [r.value for r in records]
            await c.commit()

    async def _list(self):
        from aiokafka import AIOKafkaConsumer

        async with AIOKafkaConsumer(**options()) as c:
            return await c.topics()

    def send(self):
        from aiokafka import AIOKafkaProducer

        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()

        def wait(coroutine, limit):
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result(limit)

        async def start():
            p = AIOKafkaProducer(max_request_size=4 << 20, **options())
            await p.start()
            return p

        p = wait(start(), 10)
        return lambda key, value: wait(p.send_and_wait(TOPIC, key=key, value=value), 5), lambda: wait(p.stop(), 2)

    def receive(self, until, got):
        asyncio.run(self._receive(until, got))

    async def _receive(self, until, got):
        from aiokafka import AIOKafkaConsumer

        async with AIOKafkaConsumer(TOPIC, group_id=GROUP, auto_offset_reset="earliest", **options()) as c:
            while time.monotonic() < until:
                for records in (await c.getmany(timeout_ms=200)).values():
                    for _ in records:
                        got()


def steady(c):
    """Sends a record every LAB_PAUSE ms and consumes them for a time. Errors are printed and do
    not end it: the broker may go away and come back."""
    until = time.monotonic() + STEADY
    counts = {"sent": 0, "received": 0, "errors": 0}

    def add(name):
        counts[name] += 1

    def failed(what, e):
        add("errors")
        if counts["errors"] <= 20:
            print("%s %s: %s: %s" % (time.strftime("%H:%M:%S"), what, type(e).__name__, e), flush=True)
        time.sleep(0.5)

    def sender():
        while time.monotonic() < until:
            try:
                one, close = c.send()
            except BaseException as e:
                failed("open producer", e)
                continue
            while time.monotonic() < until:
                add("sent")
                try:
                    one(b"key-%d" % counts["sent"], b"secret-%d" % counts["sent"] + PADDING)
                except BaseException as e:
                    failed("send", e)
                time.sleep(max(0, min(until - time.monotonic(), max(0.1, PAUSE))))
            try:
                close()
            except BaseException as e:
                failed("close producer", e)

    def receiver():
        while time.monotonic() < until:
            try:
                c.receive(until, lambda: add("received"))
            except BaseException as e:
                failed("consume", e)

    threads = [threading.Thread(target=f, daemon=True) for f in (sender, receiver)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(max(0, until + 4 - time.monotonic()))
    print("ok steady: %(sent)d records sent, %(received)d received, %(errors)d errors" % counts)
    return 0


def step(name, limit, f):
    """Runs one step in a thread of its own and says how it ended."""
    said = []

    def run():
        try:
            topics = f()
            said.append((True, "%d topics" % len(topics) if topics is not None else "3 records"))
        except BaseException as e:
            said.append((False, "%s: %s" % (type(e).__name__, e)))

    t = threading.Thread(target=run, daemon=True)
    t.start()
    t.join(limit)
    ok, text = said[0] if said else (False, "not done after %ds" % limit)
    print("%s %s: %s" % ("ok" if ok else "failed", name, text), flush=True)
    return ok


def watch():
    time.sleep(WATCHDOG)
    print("failed: not done after %ds" % WATCHDOG, flush=True)
    os._exit(3)


def main():
    if not (BOOTSTRAP and TOPIC and GROUP):
        print("environment: KAFKA_BOOTSTRAP, KAFKA_TOPIC and KAFKA_GROUP are needed")
        return 2
    c = {"confluent-kafka": ConfluentKafka, "kafka-python": KafkaPython, "aiokafka": AIOKafka}[sys.argv[1]]()
    if STEADY:
        return steady(c)
    threading.Thread(target=watch, daemon=True).start()
    ok = [step("produce", PRODUCE, c.produce), step("consume", CONSUME, c.consume), step("list", LIST, c.list)]
    return 0 if all(ok) else 1


# A thread that hangs in a library must not keep the process.
code = main()
sys.stdout.flush()
os._exit(code)
