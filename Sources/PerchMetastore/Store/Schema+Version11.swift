// SPDX-License-Identifier: Apache-2.0

extension Schema {
    static let version11 = """
        -- The version of the bundle that the code of a run goes on with, where its DAG is pinned: the one with which the first
        -- of it began. NULL: none has, or any will do.
        ALTER TABLE dag_run ADD COLUMN bundle_version TEXT;
        CREATE INDEX dag_run_pinned ON dag_run (bundle_version) WHERE bundle_version IS NOT NULL AND state = 'running';
        """
}
