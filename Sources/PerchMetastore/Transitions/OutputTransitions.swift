// SPDX-License-Identifier: Apache-2.0

extension Transaction {
    /// Stores pieces of the file of an output, before the success that refers to it is reported. Done twice it changes
    /// nothing.
    ///
    /// - Parameters:
    ///   - first: The number of the first of these pieces.
    ///   - pieces: Whole characters each.
    /// - Returns: False where the dispatch is not the current one any more: nothing is stored.
    public func storeOutput(
        _ name: String, taskInstanceID: Int64, dispatchID: Int64, from first: Int, _ pieces: [String]
    ) throws -> Bool {
        let isCurrent = try number(
            "SELECT 1 FROM task_instance WHERE ti_id = :1 AND state = 'running' AND dispatch_id = :2 {for_update}",
            taskInstanceID, dispatchID)
        guard isCurrent != nil else { return false }
        for (place, piece) in pieces.enumerated() {
            try post(
                """
                INSERT INTO output_chunk (name, position, ti_id, content) VALUES (:1, :2, :3, :4)
                ON CONFLICT (name, position) DO UPDATE SET content = excluded.content
                """, name, first + place, taskInstanceID, piece)
        }
        return true
    }
}

extension Snapshot {
    /// The file of an output as it stands in the metastore; nil where it does not.
    public func sharedOutput(_ name: String) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        var isThere = false
        try each("SELECT content FROM output_chunk WHERE name = :1 ORDER BY position", name) { row in
            isThere = true
            bytes.append(contentsOf: row.text(0).utf8)
        }
        return isThere ? bytes : nil
    }
}
