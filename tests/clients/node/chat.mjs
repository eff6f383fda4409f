// Asks the gateway given as base URL, plain and as a stream, and prints what answered as one JSON line.
import OpenAI from "openai";

const [baseURL, prompt] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0 });
const messages = [{ role: "user", content: prompt }];

const answer = await client.chat.completions.create({ model: "auto", messages });

const models = new Set();
let text = "";
for await (const chunk of await client.chat.completions.create({ model: "auto", messages, stream: true })) {
  models.add(chunk.model);
  text += chunk.choices[0]?.delta?.content ?? "";
}

let refusal = "";
try {
  await client.chat.completions.create({ model: "gpt-9", messages });
} catch (error) {
  refusal = error.constructor.name;
}

console.log(JSON.stringify({ model: answer.model, streamed: [...models], text, refusal }));
