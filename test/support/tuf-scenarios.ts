/** What the public suite has under one name, and what these tests have under it. */
export interface TufScenario {
  /** Cases of the public suite (theupdateframework/tuf-conformance, August 2026): 113 in all. */
  readonly theirs: number;
  /** Cases of ours; never fewer. */
  readonly ours: number;
}

const same = (cases: number): TufScenario => ({ theirs: cases, ours: cases });

/**
 * Names of the public suite's tests, without their `test_`. A title of ours carries the name in brackets. Three of them
 * try the repository that the others attack, and `static_repository` reads two repositories of fixed bytes, in whose
 * place ours writes two of its own.
 */
export const tufScenarios: ReadonlyMap<string, TufScenario> = new Map([
  // test_basic
  ['basic_refresh_requests', same(1)],
  ['basic_refresh_trusted_data', same(1)],
  ['implicit_refresh', same(1)],
  ['invalid_initial_root', same(1)],
  ['unsigned_initial_root', same(1)],
  ['unsigned_metadata', same(4)],
  ['url_and_metadata_version_mismatch', same(3)],
  ['timestamp_content_changes', same(1)],
  ['basic_metadata_hash_support', same(1)],
  ['metadata_bytes_match', same(1)],
  ['custom_fields', same(1)],
  ['deprecated_keyid_hash_algorithms', same(1)],
  ['snapshot_404', same(1)],
  ['targets_404', same(1)],
  ['timestamp_404', same(1)],
  ['incorrect_metadata_type', same(1)],
  ['faketime', same(1)],
  // test_expiration, test_delegated_expiration
  ['root_expired', same(1)],
  ['timestamp_expired', same(1)],
  ['snapshot_expired', same(1)],
  ['targets_expired', same(1)],
  ['expired_metadata', same(1)],
  ['delegated_targets_expired', same(1)],
  ['expired_local_delegated_targets', same(1)],
  ['expired_local_delegated_targets_updates', same(1)],
  // test_file_download
  ['client_downloads_expected_file', same(1)],
  ['client_downloads_expected_file_in_sub_dir', same(1)],
  ['repository_substitutes_target_file', same(1)],
  ['multiple_changes_to_target', same(1)],
  ['download_with_hash_algorithms', same(3)],
  ['download_with_unknown_hash_algorithm', same(1)],
  ['artifact_cache', same(1)],
  ['download_multiple_targets', same(1)],
  // test_keys
  ['snapshot_does_not_meet_threshold', same(1)],
  ['snapshot_has_too_few_keys', same(1)],
  ['root_has_keys_but_not_snapshot', same(1)],
  ['duplicate_keys', same(1)],
  ['duplicate_sig_keyids', same(1)],
  ['keytype_and_scheme', same(3)],
  ['invalid_sig_in_valid_metadata', same(1)],
  // test_quoting_issues
  ['unusual_role_name', { theirs: 4, ours: 8 }],
  // test_rollback
  ['simple_snapshot_rollback', same(1)],
  ['new_timestamp_version_rollback', same(1)],
  ['snapshot_rollback', same(2)],
  ['targets_rollback', same(2)],
  ['new_targets_fast_forward_recovery', same(1)],
  ['delegated_fast_forward_recovery', same(1)],
  ['new_snapshot_fast_forward_recovery', same(1)],
  ['new_timestamp_fast_forward_recovery', same(1)],
  ['new_snapshot_version_mismatch', same(1)],
  ['new_targets_version_mismatch', same(1)],
  // test_updater_delegation_graphs
  ['graph_traversal', { theirs: 12, ours: 14 }],
  ['targetfile_search', same(5)],
  ['cached_role_is_verified_against_current_delegator', same(1)],
  // test_updater_key_rotations
  ['root_rotation', same(15)],
  ['non_root_rotations', same(10)],
  // test_static_repositories, test_repository_simulator
  ['static_repository', same(2)],
  ['repo_initialization_unittest', same(1)],
  ['basic_metadata_hash_support_unittest', same(1)],
  ['update_timestamp', same(1)],
]);
