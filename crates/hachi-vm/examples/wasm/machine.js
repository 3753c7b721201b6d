// The virtual machine in JavaScript: wraps the module that main.rs beside this file makes.
//
//   const vm = await Machine.load(bytes of the module);
//   const object = vm.open(bytes of an object file);
//   object.describe().programs;
//   object.update('BLOCKLIST', key, value);
//   object.run('firewall', packet).verdict;

export class Machine {
  /** Takes the bytes of the module. */
  static async load(bytes) {
    const { instance } = await WebAssembly.instantiate(bytes, {});
    return new Machine(instance.exports);
  }

  constructor(exports) {
    this.exports = exports;
  }

  /** Opens an object file. Throws if it is none. */
  open(bytes) {
    const handle = this.#pass([bytes], (at) => this.exports.hachi_open(...at));
    if (handle === 0) throw new Error(this.#answer());
    return new Opened(this, handle);
  }

  /** Calls a function with strings and bytes; its answer, parsed. */
  ask(name, handle, ...values) {
    const call = this.exports[name];
    const status = this.#pass(values, (at) => call(handle, ...at));
    const answer = this.#answer();
    if (status !== 0) throw new Error(answer);
    return answer === '' ? undefined : JSON.parse(answer);
  }

  #pass(values, call) {
    const encoder = new TextEncoder();
    const all = values.map((of) => (typeof of === 'string' ? encoder.encode(of) : of));
    const places = all.map((bytes) => [this.exports.hachi_alloc(bytes.length), bytes]);
    // The memory may have grown: it is asked for only once all is allocated.
    for (const [at, bytes] of places) {
      new Uint8Array(this.exports.memory.buffer, at, bytes.length).set(bytes);
    }
    const result = call(places.flatMap(([at, bytes]) => [at, bytes.length]));
    for (const [at, bytes] of places) this.exports.hachi_free(at, bytes.length);
    return result;
  }

  #answer() {
    const { memory, hachi_answer, hachi_answer_len } = this.exports;
    const bytes = new Uint8Array(memory.buffer, hachi_answer(), hachi_answer_len());
    return new TextDecoder().decode(bytes);
  }
}

/** An object file, with a machine of its own. */
class Opened {
  #machine;
  #handle;

  constructor(machine, handle) {
    this.#machine = machine;
    this.#handle = handle;
  }

  /** Its programs, maps and globals. */
  describe() {
    return this.#machine.ask('hachi_describe', this.#handle);
  }

  /** Sets a global. The machine starts anew: set globals first. */
  set(name, bytes) {
    this.#machine.ask('hachi_set', this.#handle, name, bytes);
  }

  /** Sets the value of a map's key. */
  update(map, key, value) {
    this.#machine.ask('hachi_update', this.#handle, map, key, value);
  }

  /** The entries of a map: `{ key, values }`, in hexadecimal. */
  entries(map) {
    return this.#machine.ask('hachi_entries', this.#handle, map);
  }

  /** Runs a program over a packet, or the bytes of a context. */
  run(program, bytes) {
    return this.#machine.ask('hachi_run', this.#handle, program, bytes);
  }

  /** Runs a program in a scene: lines of text, as session/scene.rs beside this file says. */
  play(program, scene) {
    return this.#machine.ask('hachi_play', this.#handle, program, scene);
  }

  /** What the maps hold, by their types. */
  maps() {
    return this.#machine.ask('hachi_maps', this.#handle);
  }

  close() {
    this.#machine.exports.hachi_close(this.#handle);
  }
}
