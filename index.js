// The optional plugin: every surface calls the same command line with --json, through execFile (never a shell).
// openclaw heal · /heal in chat · the agent tool gateway_doctor · GET /plugins/doctor · gateway-facts.json for the watchdog.
import { execFile, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const FACTS_EVERY_MS = 10_000; // the watchdog takes facts older than a minute for unknown
const TIMEOUT_MS = 60_000;
// What can be asked without changing anything: name -> argv. Everything else is refused.
const READ = {
  status: () => ["status"],
  diagnose: (text) => ["diagnose", text || "gateway"],
  "check-config": () => ["check-config"],
  "list-cases": () => ["list-cases"],
  explain: (text) => ["explain", text],
  stats: () => ["stats"],
  plan: () => ["heal", "--dry-run"],
};
const REPAIR = ["heal", "--yes"];
const ADMIN = "operator.admin"; // the scope of the Control UI; in chat channels OpenClaw takes the owner for its holder

function stateDir() {
  const home = process.env.OPENCLAW_HOME || os.homedir();
  const profile = process.env.OPENCLAW_PROFILE;
  const fallback = path.join(home, profile && profile !== "default" ? `.openclaw-${profile}` : ".openclaw");
  return process.env.OPENCLAW_STATE_DIR ? path.resolve(process.env.OPENCLAW_STATE_DIR.replace(/^~(?=\/)/, home)) : fallback;
}

// The interpreter of the private environment; on Windows venv.txt names it (see skill/installer/python_env.py).
function python(config) {
  if (config?.python) return config.python;
  const own = path.join(stateDir(), "iflow-doctor");
  let prefix = own;
  try {
    prefix = JSON.parse(fs.readFileSync(path.join(own, "install.json"), "utf8")).prefix || own;
  } catch {
    // not installed by install.sh: the default place is tried
  }
  if (process.platform !== "win32") return path.join(prefix, "venv", "bin", "python");
  try {
    return path.join(fs.readFileSync(path.join(prefix, "venv.txt"), "utf8").trim(), "Scripts", "python.exe");
  } catch {
    return "python";
  }
}

// -- is refused at the start of free text: it must stay a text and never become an option.
function clean(text) {
  return String(text ?? "").replace(/[\u0000-\u001f]+/g, " ").replace(/^[\s-]+/, "").trim().slice(0, 2000);
}

// Answers {code, data, text}: code as the command line's (0 fine, 1 problem, 2 unknown), data its JSON where it is JSON.
function ask(config, argv, { lang, json = true } = {}) {
  const words = ["-I", "-m", "skill", ...(json ? ["--json"] : []), ...(lang ? ["--lang", lang] : []), ...argv];
  return new Promise((resolve) => {
    execFile(python(config), words, { timeout: TIMEOUT_MS, maxBuffer: 4 << 20, windowsHide: true }, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === "number" ? error.code : 2) : 0;
      let data;
      try {
        data = JSON.parse(stdout);
      } catch {
        data = undefined;
      }
      const missing = error?.code === "ENOENT" ? "iflow-doctor is not installed: run install.sh of the skill" : "";
      resolve({ code, data, whole: error && code === 2 ? "" : stdout, text: (stdout.trim() || stderr.trim() || missing).slice(0, 12_000) });
    });
  });
}

// A repair may restart the gateway that runs us: it is detached, and its result reaches the owner as an alert.
function repairDetached(config) {
  const child = spawn(python(config), ["-I", "-m", "skill", ...REPAIR], { detached: true, stdio: "ignore", windowsHide: true });
  child.on("error", () => {});
  child.unref();
}

function readArgv(action, text) {
  const make = Object.hasOwn(READ, action) ? READ[action] : undefined;
  return make ? make(clean(text)).filter((word) => word !== "") : undefined;
}

function escapeHtml(text) {
  return text.replace(/[&<>"']/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c]);
}

async function page(config, req, res) {
  if (req.method !== "GET" && req.method !== "HEAD") {
    res.writeHead(405, { Allow: "GET, HEAD" }).end();
    return true;
  }
  const zh = /(^|,)\s*zh/i.test(req.headers["accept-language"] ?? "");
  const wantsJson = (req.headers.accept ?? "").includes("application/json");
  // The page is `iflow-doctor page`'s own, made by the same program; only the frame around a failure is ours.
  const argv = wantsJson ? READ.status() : ["report", "--html", "-"];
  const answer = await ask(config, argv, { lang: zh ? "zh" : "en", json: wantsJson });
  const headers = { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" };
  if (wantsJson) {
    res.writeHead(200, { ...headers, "Content-Type": "application/json; charset=utf-8" });
    res.end(JSON.stringify(answer.data ?? { error: answer.text }));
    return true;
  }
  res.writeHead(200, {
    ...headers,
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
  });
  const told =
    `<!doctype html><html lang="${zh ? "zh" : "en"}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
    `<title>OpenClaw</title><style>body{font:16px/1.5 system-ui;margin:2rem}pre{white-space:pre-wrap}</style>` +
    `<h1>iFlow Doctor</h1><pre>${escapeHtml(answer.text)}</pre></html>`;
  res.end(answer.whole.startsWith("<!doctype html>") ? answer.whole : told);
  return true;
}

const HELP = "/heal status | diagnose TEXT | check-config | plan | stats | list-cases | explain CASE | repair (owner: /heal_repair)";
const OWNER_ONLY =
  "repair: only the owner may ask for it: /heal_repair. /heal plan shows what would be done.\n修复只能由主人要求：/heal_repair。/heal plan 可先看方案。";
const STARTED =
  "Repair started. If it has to restart this gateway, the answer comes as an alert.\n已开始修复。若需要重启本网关，结果会以告警送达。";

async function chat(config, ctx) {
  const [action = "status", ...rest] = (ctx.args ?? "").trim().split(/\s+/).filter(Boolean);
  if (action === "repair") {
    // OpenClaw tells a command who its owner is only where the command demands a scope: see heal_repair below.
    if (ctx.senderIsOwner !== true && !ctx.gatewayClientScopes?.includes(ADMIN)) return { text: OWNER_ONLY };
    ctx.assertOwnerCurrent?.();
    repairDetached(config);
    return { text: STARTED };
  }
  const argv = readArgv(action, rest.join(" "));
  if (!argv) return { text: HELP };
  const lang = /[\u4e00-\u9fff]/.test(ctx.commandBody ?? "") ? "zh" : undefined;
  const answer = await ask(config, argv, { lang, json: false });
  return { text: answer.text || HELP };
}

function tool(config, owner) {
  return {
    name: "gateway_doctor",
    label: "Gateway doctor",
    description:
      "Health of this OpenClaw gateway: status, diagnose (with the user's words), check-config, plan (what a repair would do), " +
      "stats, list-cases, explain. Read-only. action=repair works only for the owner and may restart the gateway.",
    parameters: {
      type: "object",
      additionalProperties: false,
      required: ["action"],
      properties: {
        action: { type: "string", enum: [...Object.keys(READ), "repair"] },
        text: { type: "string", description: "Symptom for diagnose, case id for explain", maxLength: 2000 },
      },
    },
    async execute(_id, params) {
      let value;
      if (params?.action === "repair") {
        if (owner()) repairDetached(config);
        value = owner() ? { started: true } : { refused: "repairs need the owner; report the plan and ask them" };
      } else {
        const argv = readArgv(params?.action, params?.text);
        const answer = argv ? await ask(config, argv) : { code: 2, text: "unknown action" };
        value = { exitCode: answer.code, result: answer.data ?? answer.text };
      }
      return { content: [{ type: "text", text: JSON.stringify(value) }], details: value };
    },
  };
}

// Active runs, so that a planned restart can wait for them, and when each channel last brought a message. Written whole and
// renamed, 0600; of a message only its channel's name and the time.
function factsService(api) {
  const runs = new Map();
  const heard = {};
  let timer, unsubscribe, folder;
  try {
    api.on?.("message_received", (event, ctx) => {
      const channel = String(ctx?.channelId ?? event?.channel ?? "").slice(0, 40);
      if (channel && (channel in heard || Object.keys(heard).length < 20)) heard[channel] = Date.now() / 1000;
    });
  } catch {
    // a gateway without this hook: nothing is known of its channels' silence
  }
  const write = () => {
    const temporary = path.join(folder, `.gateway-facts.${process.pid}.tmp`);
    const since = [...runs.values()];
    const facts = { at: Date.now() / 1000, pid: process.pid, activeRuns: runs.size, oldestRunStartedAt: since.length ? Math.min(...since) : null, heard };
    try {
      fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
      fs.writeFileSync(temporary, JSON.stringify(facts) + "\n", { mode: 0o600 });
      fs.renameSync(temporary, path.join(folder, "gateway-facts.json"));
    } catch {
      // an observer: a full disk must not disturb the gateway
    }
  };
  return {
    id: "iflow-doctor-facts",
    start(ctx) {
      folder = path.join(ctx.stateDir ?? stateDir(), "iflow-doctor");
      unsubscribe = api.runtime?.events?.onAgentEvent?.((event) => {
        if (event.stream !== "lifecycle") return;
        const phase = event.data?.phase;
        if (phase === "start") runs.set(event.runId, Date.now() / 1000);
        else if (phase === "end" || phase === "error") runs.delete(event.runId);
        else return;
        write();
      });
      timer = setInterval(write, FACTS_EVERY_MS);
      timer.unref?.();
      write();
    },
    stop() {
      clearInterval(timer);
      unsubscribe?.();
      runs.clear();
      write();
    },
  };
}

export default {
  id: "openclaw-iflow-doctor",
  name: "iFlow Doctor",
  description: "Status and repair of this gateway",
  register(api) {
    const config = api.pluginConfig ?? {};
    api.registerCli(
      ({ program }) => {
        program
          .command("heal")
          .description("Diagnose and repair the gateway (iflow-doctor)")
          .allowUnknownOption(true)
          .allowExcessArguments(true)
          .helpOption(false)
          .argument("[words...]")
          .action(async (_words, _options, command) => {
            const words = command.args.length ? command.args : ["status"];
            const child = spawn(python(config), ["-I", "-m", "skill", ...words], { stdio: "inherit" });
            process.exitCode = await new Promise((resolve) => {
              child.on("exit", (code) => resolve(code ?? 2));
              child.on("error", () => resolve(2));
            });
          });
      },
      { descriptors: [{ name: "heal", description: "Diagnose and repair the gateway (iflow-doctor)", hasSubcommands: false }] },
    );
    api.registerCommand({
      name: "heal_repair",
      description: "Repair this gateway now (owner)",
      acceptsArgs: false,
      requireAuth: true,
      requiredScopes: [ADMIN],
      handler: (ctx) => chat(config, { ...ctx, args: "repair" }),
    });
    api.registerCommand({
      name: "heal",
      description: "Health of this gateway: status, diagnose, plan, repair",
      acceptsArgs: true,
      requireAuth: true,
      handler: (ctx) => chat(config, ctx),
    });
    api.registerTool((context) => tool(config, () => context?.senderIsOwner === true), { name: "gateway_doctor" });
    api.registerHttpRoute({ path: "/plugins/doctor", auth: "gateway", match: "exact", handler: (req, res) => page(config, req, res) });
    api.registerService(factsService(api));
  },
};
