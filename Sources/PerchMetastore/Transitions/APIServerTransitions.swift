// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// The version of a process has no column: it is a fact beside the table, under the number that no other process ever has.
private func versionKey(_ processID: Int64) -> String { "process_version.\(processID)" }

extension Transaction {
    /// Records an API server; gives its id. It holds nothing under that: the row says that it lives.
    ///
    /// - Parameter version: That of the program.
    public func registerAPIServer(_ identity: ProcessIdentity, version: String, lease: TimeSpan) throws -> Int64 {
        let process = try registerProcess(
            role: APIServerRow.role, pid: identity.pid, startTime: identity.startTime, bootID: identity.bootID,
            host: identity.host, lease: lease)
        try run("INSERT INTO meta (key, value) VALUES (:1, :2)", versionKey(process), version)
        return process
    }

    /// Forgets the version of a process that is forgotten.
    func forgetVersion(of processID: Int64) throws {
        try run("DELETE FROM meta WHERE key = :1", versionKey(processID))
    }
}

extension Snapshot {
    /// Recorded API servers, in the order in which they were recorded.
    public func apiServers() throws -> [APIServerRow] {
        try processes(role: APIServerRow.role).map { process in
            let key = versionKey(process.processID)
            let version = try first("SELECT value FROM meta WHERE key = :1", key) { $0.text(0) }
            return APIServerRow(process: process, version: version)
        }
    }
}
