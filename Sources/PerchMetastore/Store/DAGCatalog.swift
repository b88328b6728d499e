// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Synchronization

/// DAG versions read once: they never change.
final class DAGCatalog: Sendable {
    private static let most = 512
    private let versions = Mutex<[Int64: DAGVersion]>([:])

    func version(_ versionID: Int64, load: () throws -> DAGDefinition) throws -> DAGVersion {
        if let known = versions.withLock({ $0[versionID] }) { return known }
        let version = DAGVersion(versionID: versionID, definition: try load())
        versions.withLock { all in
            if all.count >= Self.most { all = [:] }
            all[versionID] = version
        }
        return version
    }

    /// After a rollback: a version that was never committed may have been read.
    func forget() {
        versions.withLock { $0 = [:] }
    }
}

/// A DAG version with what follows from it.
final class DAGVersion: Sendable {
    let versionID: Int64
    let definition: DAGDefinition
    /// For each task, the indexes of the tasks that come after it, ascending.
    let downstream: [[Int]]
    /// The tasks that something is mapped over.
    let mappedOver: Set<Int>

    init(versionID: Int64, definition: DAGDefinition) {
        self.versionID = versionID
        self.definition = definition
        var downstream = Array(repeating: [Int](), count: definition.tasks.count)
        var mappedOver: Set<Int> = []
        for (index, task) in definition.tasks.enumerated() {
            for upstream in task.upstream { downstream[upstream].append(index) }
            if let source = task.mappedOver { mappedOver.insert(source) }
        }
        self.downstream = downstream
        self.mappedOver = mappedOver
    }

    var tasks: [TaskDefinition] { definition.tasks }
}
