// What the server tells: everything at first, then what is new; kept as bounded as the server keeps it.

const ROWS = 1000, MINUTES = 24 * 60;

export class Stream {
  constructor(onChange, onState) {
    this.rows = []; // newest first
    this.minutes = new Map();
    this.models = new Map();
    this.policy = "";
    this.number = 0;
    this.onChange = onChange;
    this.onState = onState;
    this.isFresh = true;
    this.connections = 0;
  }

  open() {
    const source = new EventSource("/events");
    source.onopen = () => { this.isFresh = true; this.onState("live"); };
    source.onerror = () => this.onState(source.readyState === EventSource.CLOSED ? "closed" : "waiting");
    source.onmessage = (event) => this.take(JSON.parse(event.data));
  }

  take({ policy, changes }) {
    // The first of a connection is everything: also when the collector was restarted and counts anew.
    if (this.isFresh) {
      this.rows = [];
      this.minutes.clear();
      this.models.clear();
      this.number = 0;
      this.isFresh = false;
      this.connections += 1;
    }
    const added = changes.rows.filter((row) => row.number > this.number).reverse();
    this.rows = [...added, ...this.rows].slice(0, ROWS);
    this.number = Math.max(this.number, changes.number);
    for (const [minute, , requests, tiers, cost, baseline, saving, failed, failedOver] of changes.minutes)
      this.minutes.set(minute, { minute, requests, tiers, cost, baseline, saving, failed, failedOver });
    while (this.minutes.size > MINUTES) this.minutes.delete(Math.min(...this.minutes.keys()));
    for (const model of changes.models) this.models.set(model.model, model);
    this.policy = policy;
    this.onChange(added);
  }
}
