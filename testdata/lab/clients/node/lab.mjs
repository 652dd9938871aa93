// The Node clients of the lab: lab.mjs kafkajs|platformatic.
import { readFileSync } from 'node:fs'

const env = process.env

// How long each step may take, in ms: together below 20 s, unless LAB_PATIENCE asks for a multiple, as a busy machine needs.
const patience = Number(env.LAB_PATIENCE || 1)
const limits = { produce: patience * 5000, consume: patience * 7000, list: patience * 4000, watchdog: patience * 18000 }

const security = env.KAFKA_SECURITY || 'PLAINTEXT'
const tls = security.endsWith('SSL') ? { ca: [readFileSync(env.KAFKA_CA)] } : undefined
const sasl = security.startsWith('SASL_')
const records = [1, 2, 3].map(n => ({ key: `key-${n}`, value: `secret-${n}` }))

// The steady run: its length and the pause between records in ms, bytes behind each value.
const length = Number(env.LAB_STEADY || 0)
const pause = Math.max(100, Number(env.LAB_PAUSE || 0))
const padding = '.'.repeat(Number(env.LAB_SIZE || 0))
const sleep = ms => new Promise(resolve => setTimeout(resolve, Math.max(0, ms)))

async function kafkajs() {
  const { Kafka } = (await import('kafkajs')).default
  const kafka = new Kafka({
    clientId: env.LAB_CLIENT_ID,
    brokers: [env.KAFKA_BOOTSTRAP],
    ssl: tls,
    sasl: sasl
      ? { mechanism: env.KAFKA_SASL_MECHANISM.toLowerCase(), username: env.KAFKA_USER, password: env.KAFKA_PASSWORD }
      : undefined
  })
  return {
    async produce() {
      const p = kafka.producer()
      await p.connect()
      await p.send({ topic: env.KAFKA_TOPIC, messages: records })
      await p.disconnect()
    },
    async consume() {
      const c = kafka.consumer({ groupId: env.KAFKA_GROUP })
      await c.connect()
      await c.subscribe({ topic: env.KAFKA_TOPIC, fromBeginning: true })
      let got = 0
      await new Promise((resolve, reject) => {
        c.on('consumer.crash', e => reject(e.payload.error))
        c.run({
          async eachMessage({ message }) {
            if (message.value.toString().startsWith('secret-') && ++got === 3) resolve()
          }
        }).catch(reject)
      })
      await c.disconnect()
    },
    async list() {
      const a = kafka.admin()
      await a.connect()
      const topics = await a.listTopics()
      await a.disconnect()
      return topics
    },
    async send() {
      const p = kafka.producer()
      await p.connect()
      return { one: record => p.send({ topic: env.KAFKA_TOPIC, messages: [record] }), close: () => p.disconnect() }
    },
    async receive(until, got) {
      const c = kafka.consumer({ groupId: env.KAFKA_GROUP })
      await c.connect()
      await c.subscribe({ topic: env.KAFKA_TOPIC, fromBeginning: true })
      await c.run({ eachMessage: async () => got() })
      await sleep(until - Date.now())
      await c.disconnect()
    }
  }
}

async function platformatic() {
  const { Admin, Consumer, Producer, stringDeserializers, stringSerializers } = await import('@platformatic/kafka')
  const options = {
    clientId: env.LAB_CLIENT_ID || 'lab',
    bootstrapBrokers: [env.KAFKA_BOOTSTRAP],
    tls,
    sasl: sasl
      ? { mechanism: env.KAFKA_SASL_MECHANISM, username: env.KAFKA_USER, password: env.KAFKA_PASSWORD }
      : undefined
  }
  return {
    async produce() {
      const p = new Producer({ ...options, serializers: stringSerializers })
      await p.send({ messages: records.map(r => ({ topic: env.KAFKA_TOPIC, ...r })) })
      await p.close()
    },
    async consume() {
      const c = new Consumer({ ...options, groupId: env.KAFKA_GROUP, deserializers: stringDeserializers })
      const stream = await c.consume({ topics: [env.KAFKA_TOPIC], mode: 'earliest', autocommit: true })
      let got = 0
      for await (const m of stream) {
        if (m.value.startsWith('secret-') && ++got === 3) break
      }
      await c.close(true)
    },
    async list() {
      const a = new Admin(options)
      const topics = await a.listTopics()
      await a.close()
      return topics
    },
    async send() {
      const p = new Producer({ ...options, serializers: stringSerializers })
      return { one: record => p.send({ messages: [{ topic: env.KAFKA_TOPIC, ...record }] }), close: () => p.close() }
    },
    async receive(until, got) {
      const c = new Consumer({ ...options, groupId: env.KAFKA_GROUP, deserializers: stringDeserializers })
      try {
        const stream = await c.consume({ topics: [env.KAFKA_TOPIC], mode: 'earliest', autocommit: true })
        setTimeout(() => c.close(true).catch(() => {}), Math.max(0, until - Date.now()))
        for await (const _ of stream) got()
      } finally {
        c.close(true).catch(() => {})
      }
    }
  }
}

// all is the message of an error and of those that it wraps.
function all(e) {
  const inner = e.errors ?? (e.cause ? [e.cause] : [])
  return [`${e.name}: ${e.message}`, ...inner.map(all)].join(' <- ')
}

async function step(name, f) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${limits[name]}ms`)), limits[name])
  })
  try {
    const topics = await Promise.race([f(), late])
    console.log(`ok ${name}: ${topics ? topics.length + ' topics' : '3 records'}`)
    return true
  } catch (e) {
    console.log(`failed ${name}: ${all(e)}`)
    return false
  } finally {
    clearTimeout(timer)
  }
}

// steady sends a record every LAB_PAUSE ms and consumes them for a time. Errors are printed
// and do not end it: the broker may go away and come back.
async function steady(client) {
  const until = Date.now() + length
  const counts = { sent: 0, received: 0, errors: 0 }
  const failed = async (what, e) => {
    if (++counts.errors <= 20) console.log(`${new Date().toISOString().slice(11, 23)} ${what}: ${all(e)}`)
    await sleep(500)
  }
  process.on('unhandledRejection', e => failed('unhandled', e))
  process.on('uncaughtException', e => failed('uncaught', e))
  const sender = async () => {
    while (Date.now() < until) {
      try {
        const { one, close } = await client.send()
        while (Date.now() < until) {
          const n = ++counts.sent
          try {
            await one({ key: `key-${n}`, value: `secret-${n}${padding}` })
          } catch (e) {
            await failed('send', e)
          }
          await sleep(Math.min(pause, until - Date.now()))
        }
        await close()
      } catch (e) {
        await failed('open producer', e)
      }
    }
  }
  const receiver = async () => {
    while (Date.now() < until) {
      try {
        await client.receive(until, () => counts.received++)
      } catch (e) {
        await failed('consume', e)
      }
    }
  }
  await Promise.race([Promise.all([sender(), receiver()]), sleep(length + 4000)])
  console.log(`ok steady: ${counts.sent} records sent, ${counts.received} received, ${counts.errors} errors`)
  process.exit(0)
}

if (!env.KAFKA_BOOTSTRAP || !env.KAFKA_TOPIC || !env.KAFKA_GROUP) {
  console.log('environment: KAFKA_BOOTSTRAP, KAFKA_TOPIC and KAFKA_GROUP are needed')
  process.exit(2)
}
const client = await { kafkajs, platformatic }[process.argv[2]]()
if (length > 0) await steady(client)
setTimeout(() => {
  console.log(`failed: not done after ${limits.watchdog}ms`)
  process.exit(3)
}, limits.watchdog)
let ok = await step('produce', client.produce)
ok = (await step('consume', client.consume)) && ok
ok = (await step('list', client.list)) && ok
process.exit(ok ? 0 : 1)
