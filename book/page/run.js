// A program of the book, run in the page: the form, and what comes out.

import { Machine } from './machine.js';
import { bytesOf, differences, digitsOf, fieldsOf, packetsOf, rowsOf, withField } from './packet.js';

/** The virtual machine, fetched when the first program of a page is run. */
let machine;
const load = () => {
  machine ??= fetched('hachi.wasm').then((bytes) => Machine.load(bytes));
  return machine;
};

async function fetched(name) {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name}: the server answers ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** An element with attributes and contents. */
function make(tag, attributes = {}, ...contents) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...contents);
  return element;
}

/** Makes a section of the page a form. */
export function begin(id) {
  const section = document.getElementById(id);
  const data = JSON.parse(section.querySelector('.run-data').textContent);
  new Form(section, data).show();
}

// How the values of a context's fields are written in a scene. The examples are recorded with the
// same (xtask/src/book/page.rs).
const SHAPES = {
  number: (text) => {
    if (!/^-?\d+$/.test(text.trim())) throw new Error('a number');
    return text.trim();
  },
  word: (text) => text,
  text: (text) => digitsOf([...new TextEncoder().encode(text), 0]),
  ipv4: (text) => {
    const parts = text.trim().split('.');
    if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) {
      throw new Error('an address, like 192.0.2.7');
    }
    return digitsOf(parts.map(Number));
  },
  port: (text) => {
    if (!/^\d+$/.test(text.trim()) || Number(text) > 65535) throw new Error('a port, from 0 to 65535');
    return digitsOf([Number(text) >> 8, Number(text) & 255]);
  },
};

class Form {
  constructor(section, { form, packets, object, source, kernel }) {
    Object.assign(this, { section, form, packets, object, source, kernel });
    this.id = section.id;
    this.takesPacket = form.presets.some((preset) => preset.packet !== undefined);
    this.captured = [];
  }

  show() {
    const { form, id } = this;
    this.preset = make('select', { id: `${id}-preset` });
    form.presets.forEach(({ name }, number) => {
      this.preset.append(make('option', { value: number }, name));
    });
    this.preset.addEventListener('change', () => this.choose());
    const parts = [this.labelled('Example', this.preset)];
    if (this.takesPacket) parts.push(this.packetPart());
    this.fields = (form.fields ?? []).map((field) => {
      const input = make('input', { id: `${id}-${field.id}`, autocomplete: 'off', spellcheck: 'false' });
      return { field, input };
    });
    if (this.fields.length) {
      const all = this.fields.map(({ field, input }) => this.labelled(field.label, input));
      parts.push(make('fieldset', {}, make('legend', {}, form.about ?? 'The event'), ...all));
    }
    this.switches = (form.switches ?? []).map((of, number) => {
      const input = make('input', { type: 'checkbox', id: `${id}-switch-${number}` });
      return { of, input };
    });
    for (const { of, input } of this.switches) {
      parts.push(make('div', { class: 'run-switch' }, input, make('label', { for: input.id }, of.label)));
    }
    this.times = make('input', { id: `${id}-times`, type: 'number', min: 1, max: 1000, value: 1 });
    parts.push(this.labelled('How many times', this.times));
    const run = make('button', { type: 'submit', class: 'run-go' }, 'Run');
    const again = make('button', { type: 'button', class: 'run-again' }, 'Start again');
    again.title = 'With maps as they were at first';
    again.addEventListener('click', () => this.startAgain());
    parts.push(make('div', { class: 'run-buttons' }, run, again));
    const element = make('form', { 'aria-labelledby': `${id}-title`, novalidate: '' }, ...parts);
    element.addEventListener('submit', (event) => {
      event.preventDefault();
      this.run();
    });
    this.output = make('div', { class: 'run-result', role: 'status' });
    const recorded = this.section.querySelector('.run-recorded');
    const kept = make('details', {}, make('summary', {}, 'What the examples printed when the book was made'));
    recorded.before(element, this.output, kept);
    kept.append(recorded);
    this.choose();
    this.section.dataset.ready = '';
  }

  labelled(label, input) {
    return make('div', { class: 'run-field' }, make('label', { for: input.id }, label), input);
  }

  packetPart() {
    const { id } = this;
    this.bytes = make('textarea', { id: `${id}-bytes`, rows: 6, spellcheck: 'false', autocomplete: 'off' });
    this.bytes.addEventListener('input', () => this.showHeaders());
    this.headers = make('div', { class: 'run-headers' });
    const headers = make('details', {}, make('summary', {}, 'The fields of its headers'), this.headers);
    const file = make('input', { id: `${id}-file`, type: 'file', accept: '.pcap' });
    file.addEventListener('change', () => this.take(file));
    return make(
      'fieldset',
      {},
      make('legend', {}, 'The packet'),
      this.labelled('Its bytes, in hexadecimal', this.bytes),
      headers,
      this.labelled('Or packets of a capture of yours (pcap)', file),
    );
  }

  /** Fills the form with the example that is chosen. */
  choose() {
    const number = Number(this.preset.value);
    const preset = this.form.presets[number] ?? {};
    if (this.takesPacket) {
      const captured = this.captured[number - this.form.presets.length];
      this.bytes.value = rowsOf(captured ?? bytesOf(this.packets[preset.packet] ?? ''));
      this.showHeaders();
    }
    for (const { field, input } of this.fields) input.value = preset.values?.[field.id] ?? field.value;
    this.switches.forEach(({ input }, at) => {
      input.checked = (preset.on ?? []).includes(at);
    });
    this.times.value = preset.times ?? 1;
    this.startAgain();
  }

  /** Adds the packets of a file to the examples. */
  async take(file) {
    try {
      const [chosen] = file.files;
      if (!chosen) return;
      const packets = packetsOf(new Uint8Array(await chosen.arrayBuffer()));
      const first = this.form.presets.length + this.captured.length;
      packets.forEach((packet, at) => {
        const name = `${chosen.name}, packet ${at + 1}, ${packet.length} bytes`;
        this.preset.append(make('option', { value: first + at }, name));
      });
      this.captured.push(...packets);
      this.preset.value = first;
      this.choose();
    } catch (error) {
      this.fail(error);
    }
  }

  /** The fields of the headers, to be edited one by one. */
  showHeaders() {
    let bytes;
    try {
      bytes = bytesOf(this.bytes.value);
      this.bytes.removeAttribute('aria-invalid');
    } catch (error) {
      this.bytes.setAttribute('aria-invalid', 'true');
      this.shape = undefined;
      this.headers.replaceChildren(make('p', {}, `The bytes cannot be read: ${error.message}.`));
      return;
    }
    const fields = fieldsOf(bytes);
    const shape = JSON.stringify(fields.map(({ header, name, at }) => [header, name, at]));
    if (shape !== this.shape) {
      this.shape = shape;
      this.makeHeaders(fields);
    }
    // In place: anyone who is at one of them stays there.
    fields.forEach((field, number) => {
      const input = this.headerInputs[number];
      input.value = field.value;
      input.removeAttribute('aria-invalid');
    });
  }

  /** A place to edit each field. */
  makeHeaders(fields) {
    const groups = new Map();
    this.headerInputs = fields.map((field) => {
      const id = `${this.id}-at-${field.at}`;
      const input = make('input', { id, autocomplete: 'off', spellcheck: 'false' });
      input.addEventListener('change', () => {
        try {
          this.bytes.value = rowsOf(withField(bytesOf(this.bytes.value), field, input.value));
          this.showHeaders();
        } catch (error) {
          input.setAttribute('aria-invalid', 'true');
          this.fail(new Error(`${field.header} ${field.name}: it takes ${error.message}`));
        }
      });
      if (!groups.has(field.header)) {
        const legend = make('legend', {}, field.header);
        groups.set(field.header, make('fieldset', {}, legend));
      }
      groups.get(field.header).append(this.labelled(field.name, input));
      return input;
    });
    const none = make('p', {}, 'It is too short for an Ethernet header.');
    this.headers.replaceChildren(...(groups.size ? groups.values() : [none]));
  }

  startAgain() {
    this.opened?.close();
    this.opened = undefined;
    this.output.replaceChildren();
  }

  /** What the program runs in, as lines of text. */
  scene(bytes) {
    const { form } = this;
    const lines = [...(this.kernel ? [`types ${this.kernel}`] : []), ...[form.scene ?? []].flat()];
    for (const { of, input } of this.switches) lines.push(input.checked ? of.on : of.off);
    for (const { field, input } of this.fields) {
      let value;
      try {
        value = SHAPES[field.kind](input.value);
        input.removeAttribute('aria-invalid');
      } catch (error) {
        input.setAttribute('aria-invalid', 'true');
        input.focus();
        throw new Error(`${field.label}: it takes ${error.message}`);
      }
      for (const line of [field.scene].flat()) lines.push(line.replaceAll('{}', value));
    }
    if (bytes) lines.push(`packet ${digitsOf(bytes)}`);
    const times = Number(this.times.value);
    if (!Number.isInteger(times) || times < 1 || times > 1000) {
      throw new Error('How many times: it takes a number from 1 to 1000');
    }
    lines.push(`times ${times}`);
    return `${lines.join('\n')}\n`;
  }

  async run() {
    try {
      const bytes = this.takesPacket ? bytesOf(this.bytes.value) : undefined;
      const scene = this.scene(bytes);
      if (!machine) this.output.replaceChildren(make('p', {}, 'Fetching the virtual machine…'));
      const ready = await load();
      this.file ??= await fetched(this.object);
      this.opened ??= ready.open(this.file);
      const run = this.opened.play(this.form.program, scene);
      this.report(run, this.opened.maps(), bytes);
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error) {
    this.output.replaceChildren(make('p', { class: 'run-error' }, `It did not run: ${error.message}`));
  }

  report(run, maps, bytes) {
    const parts = [];
    if (run.fault) {
      parts.push(make('p', { class: 'run-verdict' }, 'The kernel would refuse this: '), scrolled(run.fault.text, 'The diagnosis'));
    } else {
      const verdict = make('strong', {}, run.meaning);
      const after = `, after ${run.instructions} instructions`;
      parts.push(make('p', { class: 'run-verdict' }, 'Verdict: ', verdict, after));
    }
    if (bytes && run.bytes) parts.push(...changes(bytes, bytesOf(run.bytes)));
    parts.push(...listed('Log', 'run-log', run.log.map(({ level, text }) => `${(level ?? '').toUpperCase()} ${text}`)));
    parts.push(...listed('Trace', 'run-printed', run.printed));
    if (run.sequence) parts.push(make('h4', {}, 'The file'), scrolled(run.sequence, 'The file'));
    for (const map of maps) parts.push(...this.mapPart(map));
    parts.push(...this.sourcePart(run.lines));
    this.output.replaceChildren(...parts);
    this.output.dataset.runs = Number(this.output.dataset.runs ?? 0) + 1;
  }

  mapPart({ name, type, entries, records, left_out }) {
    const title = make('h4', {}, 'Map ', make('code', {}, name), ` (${type.replaceAll('_', ' ')})`);
    if (records) {
      return records.length ? [title, ...listed(undefined, 'run-records', records)] : [];
    }
    if (!entries.length) return [title, make('p', { class: 'run-empty' }, 'Empty.')];
    const rows = entries.map(({ key, values }) => {
      const shown = values.map(({ cpu, value }) => (cpu === undefined ? value : `${value} on CPU ${cpu}`));
      return make('tr', {}, make('td', {}, key), make('td', {}, shown.join(', ')));
    });
    const head = make('tr', {}, make('th', { scope: 'col' }, 'Key'), make('th', { scope: 'col' }, 'Value'));
    const table = make('table', { class: 'run-map', 'aria-label': `Map ${name}`, 'data-map': name }, make('thead', {}, head), make('tbody', {}, ...rows));
    const more = left_out ? [make('p', {}, `And ${left_out} more.`)] : [];
    const around = make('div', { class: 'run-scrolled', tabindex: 0, role: 'region', 'aria-label': `Map ${name}` }, table);
    return [title, around, ...more];
  }

  /** The source, with the lines that ran. */
  sourcePart(lines) {
    const file = this.form.source.split('/').at(-1);
    const end = this.form.project ? '/main.rs' : `/${file}`;
    const counts = new Map();
    for (const { file: name, line, count } of lines) {
      if (`/${name}`.endsWith(end) && !name.includes('hachi-ebpf/')) counts.set(line, count);
    }
    const rows = this.source.trimEnd().split('\n').map((text, at) => {
      const count = counts.get(at + 1);
      const mark = make('span', { class: 'run-count' }, count ? `${count}×` : '');
      return make('li', count ? { class: 'run-ran', 'data-line': at + 1 } : {}, mark, make('code', {}, text));
    });
    const list = make('ol', { class: 'run-source' }, ...rows);
    const around = make('div', { class: 'run-scrolled', tabindex: 0, role: 'region', 'aria-label': `Lines of ${file} that ran` }, list);
    return [make('h4', {}, 'Lines that ran, and how often'), around];
  }
}

/** Text in lines of its own, that can be scrolled. */
function scrolled(text, label) {
  return make('pre', { tabindex: 0, role: 'region', 'aria-label': label }, text);
}

function listed(title, name, items) {
  if (!items.length) return [];
  const list = make('ul', { class: name }, ...items.map((item) => make('li', {}, make('code', {}, item))));
  return title ? [make('h4', {}, title), list] : [list];
}

/** What the program did to the packet. */
function changes(before, after) {
  // Programs of cgroups get the packet without its Ethernet header.
  const hidden = before.length - after.length === 14 ? 14 : 0;
  const whole = Uint8Array.from([...before.slice(0, hidden), ...after]);
  return listed('The packet was changed', 'run-changes', differences(before, whole));
}
