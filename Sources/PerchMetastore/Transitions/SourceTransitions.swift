// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// The texts that one description of a bundle brings, and what becomes of texts that versions had before.
struct NewSources {
    private struct Place {
        var hash: String
        var path: String
    }

    private var places: [String: Place] = [:]
    /// By hash; one that is stored is not needed any more.
    private var texts: [String: String] = [:]
    /// What versions have no more.
    fileprivate var left: Set<String> = []

    init(_ sources: [DAGSourceText]) {
        for source in sources {
            let hash = ContentHash.text(of: source.text)
            texts[hash] = source.text
            for dagID in source.dagIDs { places[dagID] = Place(hash: hash, path: source.path) }
        }
    }

    fileprivate func place(of dagID: String) -> (hash: String, path: String)? {
        places[dagID].map { ($0.hash, $0.path) }
    }

    /// The text of a hash, the first time.
    fileprivate mutating func takeText(of hash: String) -> String? { texts.removeValue(forKey: hash) }
}

extension Transaction {
    /// Has a version refer to the text that it was read from. What was described before may have another text by now, which
    /// changes nothing that runs go by: a comment, or code. Then the version has the newer text.
    ///
    /// - Parameters:
    ///   - old: Where the version's text is as yet; nil: nowhere.
    ///   - isSameBundle: Whether the version was described by the same build before: that had its text at hand then, and where it
    ///     has it no more, the text stays.
    func setSource(
        of versionID: Int64, dagID: String, from old: (hash: String, path: String)?, isSameBundle: Bool,
        in sources: inout NewSources
    ) throws {
        let new = sources.place(of: dagID)
        if new == nil, old == nil || isSameBundle { return }
        if let new, let old, new == old { return }
        if let new, let text = sources.takeText(of: new.hash) {
            // Not "do nothing": whoever takes the text away at this moment is waited for.
            try run(
                """
                INSERT INTO dag_source (content_hash, content) VALUES (:1, :2)
                ON CONFLICT (content_hash) DO UPDATE SET content_hash = excluded.content_hash
                """, new.hash, text)
        }
        try run(
            "UPDATE dag_version SET source_hash = :2, source_path = :3 WHERE version_id = :1", versionID, new?.hash,
            new?.path)
        if let old { sources.left.insert(old.hash) }
    }

    /// Takes away texts that no version has any more.
    func dropSources(_ sources: NewSources) throws { try dropSources(sources.left) }

    /// Takes away those of some texts that no version has any more.
    func dropSources(_ hashes: Set<String>) throws {
        for hash in hashes.sorted() {
            // By itself: whoever takes the text for a version at this moment is waited for, and seen by the next statement.
            _ = try first("SELECT 1 FROM dag_source WHERE content_hash = :1 {for_update}", hash) { $0.int64(0) }
            try run(
                """
                DELETE FROM dag_source WHERE content_hash = :1
                    AND NOT EXISTS (SELECT 1 FROM dag_version v WHERE v.source_hash = :1)
                """, hash)
        }
    }
}
