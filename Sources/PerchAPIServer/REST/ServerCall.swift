// SPDX-License-Identifier: Apache-2.0

import PerchMetastore

/// What somebody asks for over HTTP, behind `/api/v2` or on a page: what both do, is written once.
protocol ServerCall: Sendable {
    var caller: Caller { get }
    var access: AccessControl { get }
    var surroundings: APISurroundings { get }
    func read<Result: Sendable>(_ body: @escaping @Sendable (Snapshot) throws -> Result) async throws -> Result
    /// What is done is recorded in the same transaction.
    func write<Result: Sendable>(_ body: @escaping @Sendable (Transaction) throws -> Result) async throws -> Result
}

extension ServerCall {
    /// Whether the caller sees all DAGs that the text of a version's file declares: it tells of them all.
    func seesSource(ofVersion versionID: Int64, _ snapshot: Snapshot) throws -> Bool {
        guard caller.everywhere < .viewer else { return true }
        return try snapshot.dagIDs(inSourceOf: versionID).allSatisfy { caller.right(for: $0) >= .viewer }
    }
}

extension RESTCall: ServerCall {}
extension PageCall: ServerCall {}
