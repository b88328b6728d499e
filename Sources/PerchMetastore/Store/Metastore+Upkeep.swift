// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK

extension Metastore {
    /// What is wrong with the metastore: damage of the file and contradictions between its rows, a line each. Empty: sound.
    public func check() async throws -> [String] {
        try await read { snapshot in
            var faults: [String] = []
            try snapshot.connection.query("{damage}", []) { row in
                let line = row.text(0)
                if line != "ok" { faults.append("the file is damaged: \(line)") }
            }
            return faults + (try ConsistencyRules.faults(on: snapshot.connection))
        }
    }

    /// Writes a consistent copy while the metastore is in use.
    ///
    /// - Parameter completing: What has to be done before the copy appears under its name; the rows in it are decided by
    ///   then.
    /// - Throws: `conflict` where the file is there already, `unavailable` where it cannot be written; what `completing`
    ///   throws.
    public func backup(
        to path: String, completing: @escaping @Sendable () throws -> Void = {}
    ) async throws {
        guard !FileManager.default.fileExists(atPath: path) else {
            throw PerchError(.conflict, "\(path) is there already: name another file")
        }
        let driver = driver
        let answer: Result<Void, any Error> = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(
                    returning: Result {
                        // A copy that broke off must not be taken for one that is whole.
                        let partial = path + ".partial"
                        do {
                            try driver.backup(to: partial)
                            try completing()
                            try FileManager.default.moveItem(atPath: partial, toPath: path)
                        } catch {
                            for suffix in ["", "-wal", "-shm", "-journal"] {
                                // It may not be there: the error that counts is the one that is thrown on.
                                unlink(partial + suffix)
                            }
                            throw error
                        }
                    })
            }
        }
        try answer.get()
    }
}
