import { err, ok, type Result } from '../core/result.ts';

/**
 * A bounded reader for protobuf messages of a known form, without any package: the agent looks at a model
 * with it before native code sees a byte. It refuses what lenient parsers skip or merge (unknown fields,
 * wrong wire types, a singular field twice, groups), because two parsers that disagree hide content.
 */

/** `counts`: numbers whose values nobody needs; only how many there are. Other kinds name a message form. */
export type FieldKind = 'integer' | 'fixed32' | 'fixed64' | 'text' | 'bytes' | FieldCount;
type FieldCount = 'integers-counted' | 'fixed32-counted' | 'fixed64-counted';

export interface FieldForm {
  readonly name: string;
  readonly repeated: boolean;
  /** A scalar kind, or the name of the nested message's form. */
  readonly kind: FieldKind | { readonly message: string };
}

export type MessageForms = ReadonlyMap<string, ReadonlyMap<number, FieldForm>>;

export type SkimValue = bigint | Uint8Array | SkimMessage;

/** Values by field name, in wire order. Byte values are views into the input, never copies. */
export interface SkimMessage {
  readonly form: string;
  readonly values: ReadonlyMap<string, readonly SkimValue[]>;
  /** How many elements each counted field holds. */
  readonly counts: ReadonlyMap<string, number>;
}

export interface SkimBounds {
  readonly depthMax: number;
  /** Fields of all messages together: bounds time and memory. */
  readonly fieldsMax: number;
  /** `refuse` before native code reads the same bytes; `skip` where they are only kept. */
  readonly unknownFields: 'refuse' | 'skip';
}

export interface SkimRefusal {
  readonly code:
    | 'onnx-malformed'
    | 'onnx-too-deep'
    | 'onnx-too-large'
    | 'onnx-unknown-field'
    | 'onnx-duplicate';
  readonly message: string;
}

/** Reads `bytes` as the message `form`; every refusal names the field it stood at. */
export function skimProtobuf(
  bytes: Uint8Array,
  options: { readonly form: string; readonly forms: MessageForms; readonly bounds: SkimBounds },
): Result<SkimMessage, SkimRefusal> {
  try {
    return ok(new Skimmer(bytes, options.forms, options.bounds).message(options.form));
  } catch (error) {
    if (error instanceof Refused) return err(error.refusal);
    throw error;
  }
}

/** Unwinds the recursive reader; never leaves this file. */
class Refused extends Error {
  readonly refusal: SkimRefusal;

  constructor(code: SkimRefusal['code'], message: string) {
    super(message);
    this.refusal = { code, message };
  }
}

const wireVarint = 0;
const wireFixed64 = 1;
const wireBytes = 2;
const wireFixed32 = 5;

class Skimmer {
  readonly #bytes: Uint8Array;
  readonly #forms: MessageForms;
  readonly #bounds: SkimBounds;
  #at = 0;
  #end: number;
  #depth = 0;
  #fields = 0;

  constructor(bytes: Uint8Array, forms: MessageForms, bounds: SkimBounds) {
    this.#bytes = bytes;
    this.#end = bytes.length;
    this.#forms = forms;
    this.#bounds = bounds;
  }

  message(form: string): SkimMessage {
    const fields = this.#forms.get(form);
    if (fields === undefined) throw new Error(`no form is named ${form}`);
    this.#depth += 1;
    if (this.#depth > this.#bounds.depthMax) {
      throw new Refused('onnx-too-deep', `messages nest deeper than ${this.#bounds.depthMax}`);
    }
    const values = new Map<string, SkimValue[]>();
    const counts = new Map<string, number>();
    while (this.#at < this.#end) {
      this.#fields += 1;
      if (this.#fields > this.#bounds.fieldsMax) {
        throw new Refused('onnx-too-large', `more than ${this.#bounds.fieldsMax} fields`);
      }
      const tag = this.#integer();
      if (tag > 0xffffffffn) throw new Refused('onnx-malformed', `a tag above 32 bits in ${form}`);
      const number = Number(tag >> 3n);
      const field = fields.get(number);
      if (field === undefined) {
        if (this.#bounds.unknownFields === 'skip' && number > 0) {
          this.#skip(Number(tag & 7n));
          continue;
        }
        throw new Refused('onnx-unknown-field', `${form} has no field ${number}`);
      }
      if (!field.repeated && (values.has(field.name) || counts.has(field.name))) {
        throw new Refused('onnx-duplicate', `${form}.${field.name} stands twice`);
      }
      this.#field(field, Number(tag & 7n), { form, values, counts });
    }
    this.#depth -= 1;
    return { form, values, counts };
  }

  #field(
    field: FieldForm,
    wire: number,
    into: {
      readonly form: string;
      readonly values: Map<string, SkimValue[]>;
      readonly counts: Map<string, number>;
    },
  ): void {
    const keep = (value: SkimValue): void => {
      const list = into.values.get(field.name);
      if (list === undefined) into.values.set(field.name, [value]);
      else list.push(value);
    };
    const count = (added: number): void => {
      into.counts.set(field.name, (into.counts.get(field.name) ?? 0) + added);
    };
    if (typeof field.kind === 'object') {
      this.#expect(wire === wireBytes, into.form, field);
      keep(this.#nested(field.kind.message));
      return;
    }
    switch (field.kind) {
      case 'text':
      case 'bytes':
        this.#expect(wire === wireBytes, into.form, field);
        keep(this.#run(this.#length()));
        return;
      case 'integer':
        if (wire === wireBytes && field.repeated) {
          this.#packed(() => keep(this.#integer()));
          return;
        }
        this.#expect(wire === wireVarint, into.form, field);
        keep(this.#integer());
        return;
      case 'integers-counted':
        this.#expect(wire === wireBytes || wire === wireVarint, into.form, field);
        if (wire === wireBytes) count(this.#countIntegers(this.#run(this.#length())));
        else {
          this.#integer();
          count(1);
        }
        return;
      case 'fixed32':
      case 'fixed64':
      case 'fixed32-counted':
      case 'fixed64-counted': {
        const width = field.kind.startsWith('fixed32') ? 4 : 8;
        const single = wire === (width === 4 ? wireFixed32 : wireFixed64);
        this.#expect(single || (wire === wireBytes && field.repeated), into.form, field);
        const run = this.#run(single ? width : this.#length());
        this.#expect(run.length % width === 0, into.form, field);
        count(run.length / width);
        return;
      }
    }
  }

  #skip(wire: number): void {
    if (wire === wireVarint) this.#integer();
    else if (wire === wireFixed64) this.#run(8);
    else if (wire === wireFixed32) this.#run(4);
    else if (wire === wireBytes) this.#run(this.#length());
    else throw new Refused('onnx-malformed', 'groups are not used');
  }

  #expect(holds: boolean, form: string, field: FieldForm): void {
    if (!holds)
      throw new Refused('onnx-malformed', `${form}.${field.name} has the wrong wire form`);
  }

  #nested(form: string): SkimMessage {
    const length = this.#length();
    const outerEnd = this.#end;
    this.#end = this.#at + length;
    const message = this.message(form);
    this.#end = outerEnd;
    return message;
  }

  #packed(read: () => void): void {
    const length = this.#length();
    const outerEnd = this.#end;
    this.#end = this.#at + length;
    while (this.#at < this.#end) {
      this.#fields += 1;
      if (this.#fields > this.#bounds.fieldsMax) {
        throw new Refused('onnx-too-large', `more than ${this.#bounds.fieldsMax} fields`);
      }
      read();
    }
    this.#end = outerEnd;
  }

  #run(length: number): Uint8Array {
    const from = this.#at;
    if (length > this.#end - from) throw new Refused('onnx-malformed', 'a field is cut off');
    this.#at = from + length;
    return this.#bytes.subarray(from, this.#at);
  }

  #length(): number {
    const length = this.#integer();
    if (length < 0n || length > BigInt(this.#end - this.#at)) {
      throw new Refused('onnx-malformed', 'a field is longer than its message');
    }
    return Number(length);
  }

  /** A base-128 varint of at most ten bytes, as the signed 64-bit number it encodes. */
  #integer(): bigint {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      low |= (byte & 127) << shift;
      if (byte < 128) return BigInt(low);
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, value);
    }
    throw new Refused('onnx-malformed', 'a number is longer than ten bytes');
  }

  #byte(): number {
    const byte = this.#at < this.#end ? this.#bytes[this.#at] : undefined;
    if (byte === undefined) throw new Refused('onnx-malformed', 'a number is cut off');
    this.#at += 1;
    return byte;
  }

  #countIntegers(run: Uint8Array): number {
    let numbers = 0;
    for (const byte of run) if (byte < 128) numbers += 1;
    const last = run[run.length - 1];
    if (last !== undefined && last >= 128)
      throw new Refused('onnx-malformed', 'a number is cut off');
    return numbers;
  }
}
