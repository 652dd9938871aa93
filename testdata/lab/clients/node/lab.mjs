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

async function kafkajs() {
  const { Kafka } = (await import('kafkajs')).default
  const kafka = new Kafka({
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
    }
  }
}

async function platformatic() {
  const { Admin, Consumer, Producer, stringDeserializers, stringSerializers } = await import('@platformatic/kafka')
  const options = {
    clientId: 'lab',
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

if (!env.KAFKA_BOOTSTRAP || !env.KAFKA_TOPIC || !env.KAFKA_GROUP) {
  console.log('environment: KAFKA_BOOTSTRAP, KAFKA_TOPIC and KAFKA_GROUP are needed')
  process.exit(2)
}
setTimeout(() => {
  console.log(`failed: not done after ${limits.watchdog}ms`)
  process.exit(3)
}, limits.watchdog)
const client = await { kafkajs, platformatic }[process.argv[2]]()
let ok = await step('produce', client.produce)
ok = (await step('consume', client.consume)) && ok
ok = (await step('list', client.list)) && ok
process.exit(ok ? 0 : 1)
