import type { FieldForm, FieldKind, MessageForms } from './protobuf-skim.ts';

/** The message forms of ONNX (IR version 12) by field number: what the guard knows, it can judge. */
const scalarKinds: Readonly<Record<string, FieldKind>> = {
  integer: 'integer',
  fixed32: 'fixed32',
  text: 'text',
  bytes: 'bytes',
  'integers-counted': 'integers-counted',
  'fixed32-counted': 'fixed32-counted',
  'fixed64-counted': 'fixed64-counted',
};

/** One field: `number name kind`, with `*` after the kind when it repeats; other kinds are forms. */
function form(...lines: readonly string[]): ReadonlyMap<number, FieldForm> {
  return new Map(
    lines.map((line) => {
      const [number = '', name = '', kindText = ''] = line.split(' ');
      const repeated = kindText.endsWith('*');
      const kindName = repeated ? kindText.slice(0, -1) : kindText;
      return [
        Number(number),
        { name, repeated, kind: scalarKinds[kindName] ?? { message: kindName } },
      ];
    }),
  );
}

export const onnxForms: MessageForms = new Map([
  [
    'Model',
    form(
      '1 ir_version integer',
      '2 producer_name text',
      '3 producer_version text',
      '4 domain text',
      '5 model_version integer',
      '6 doc_string text',
      '7 graph Graph',
      '8 opset_import OpsetId*',
      '14 metadata_props Entry*',
      '20 training_info TrainingInfo*',
      '25 functions Function*',
      '26 configuration DeviceConfiguration*',
    ),
  ],
  ['OpsetId', form('1 domain text', '2 version integer')],
  ['Entry', form('1 key text', '2 value text')],
  [
    'Graph',
    form(
      '1 node Node*',
      '2 name text',
      '5 initializer Tensor*',
      '10 doc_string text',
      '11 input ValueInfo*',
      '12 output ValueInfo*',
      '13 value_info ValueInfo*',
      '14 quantization_annotation Annotation*',
      '15 sparse_initializer SparseTensor*',
      '16 metadata_props Entry*',
    ),
  ],
  [
    'Node',
    form(
      '1 input text*',
      '2 output text*',
      '3 name text',
      '4 op_type text',
      '5 attribute Attribute*',
      '6 doc_string text',
      '7 domain text',
      '8 overload text',
      '9 metadata_props Entry*',
      '10 device_configurations NodeDeviceConfiguration*',
    ),
  ],
  [
    'Attribute',
    form(
      '1 name text',
      '2 f fixed32',
      '3 i integer',
      '4 s bytes',
      '5 t Tensor',
      '6 g Graph',
      '7 floats fixed32-counted*',
      '8 ints integers-counted*',
      '9 strings bytes*',
      '10 tensors Tensor*',
      '11 graphs Graph*',
      '13 doc_string text',
      '14 tp Type',
      '15 type_protos Type*',
      '20 type integer',
      '21 ref_attr_name text',
      '22 sparse_tensor SparseTensor',
      '23 sparse_tensors SparseTensor*',
    ),
  ],
  [
    'Tensor',
    form(
      '1 dims integer*',
      '2 data_type integer',
      '3 segment Segment',
      '4 float_data fixed32-counted*',
      '5 int32_data integers-counted*',
      '6 string_data bytes*',
      '7 int64_data integers-counted*',
      '8 name text',
      '9 raw_data bytes',
      '10 double_data fixed64-counted*',
      '11 uint64_data integers-counted*',
      '12 doc_string text',
      '13 external_data Entry*',
      '14 data_location integer',
      '16 metadata_props Entry*',
    ),
  ],
  ['Segment', form('1 begin integer', '2 end integer')],
  ['SparseTensor', form('1 values Tensor', '2 indices Tensor', '3 dims integer*')],
  ['ValueInfo', form('1 name text', '2 type Type', '3 doc_string text', '4 metadata_props Entry*')],
  ['Shape', form('1 dim Dimension*')],
  ['Dimension', form('1 dim_value integer', '2 dim_param text', '3 denotation text')],
  [
    'Type',
    form(
      '1 tensor_type TensorType',
      '4 sequence_type NestedType',
      '5 map_type MapType',
      '6 denotation text',
      '7 opaque_type OpaqueType',
      '8 sparse_tensor_type TensorType',
      '9 optional_type NestedType',
    ),
  ],
  ['TensorType', form('1 elem_type integer', '2 shape Shape')],
  ['NestedType', form('1 elem_type Type')],
  ['MapType', form('1 key_type integer', '2 value_type Type')],
  ['OpaqueType', form('1 domain text', '2 name text')],
  [
    'Function',
    form(
      '1 name text',
      '2 since_version integer',
      '3 status integer',
      '4 input text*',
      '5 output text*',
      '6 attribute text*',
      '7 node Node*',
      '8 doc_string text',
      '9 opset_import OpsetId*',
      '10 domain text',
      '11 attribute_proto Attribute*',
      '12 value_info ValueInfo*',
      '13 overload text',
      '14 metadata_props Entry*',
    ),
  ],
  [
    'TrainingInfo',
    form(
      '1 initialization Graph',
      '2 algorithm Graph',
      '3 initialization_binding Entry*',
      '4 update_binding Entry*',
    ),
  ],
  ['Annotation', form('1 tensor_name text', '2 quant_parameter_tensor_names Entry*')],
  ['DeviceConfiguration', form('1 name text', '2 num_devices integer', '3 device text*')],
  [
    'NodeDeviceConfiguration',
    form('1 configuration_id text', '2 sharding_spec ShardingSpec*', '3 pipeline_stage integer'),
  ],
  [
    'ShardingSpec',
    form(
      '1 tensor_name text',
      '2 device integer*',
      '3 index_to_device_group_map IntegerList*',
      '4 sharded_dim ShardedDim*',
    ),
  ],
  ['ShardedDim', form('1 axis integer', '2 simple_sharding SimpleShardedDim*')],
  ['SimpleShardedDim', form('1 dim_value integer', '2 dim_param text', '3 num_shards integer')],
  ['IntegerList', form('1 key integer', '2 value integer*')],
]);
