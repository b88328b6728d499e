// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Logging
internal import PerchAPIServer
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK
internal import Synchronization

/// How a role is asked whether it is well: its thread has to answer, the metastore has to take a write and be read, and its
/// leases have to hold.
final class HealthQuestion: Sendable {
    private let reactor: any Reactor
    private let metastore: Metastore
    private let leased: [String]
    private let log: Logger
    private let memory = Mutex(Memory())

    private struct Memory: Sendable {
        /// Whether it has had all its leases once: before that none is lost.
        var hasJoined = false
        /// What was said last of the metastore, so that it is said once.
        var trouble: String?
    }

    init(_ role: RoleProcess.Opened, log: EngineLog) {
        reactor = role.reactor
        metastore = role.metastore
        leased = role.leased
        self.log = log.logger("health")
    }

    /// What every answer says of the process.
    static func facts(of role: String) -> [String: JSONValue] {
        var facts: [String: JSONValue] = [
            "role": .string(role), "pid": .integer(Int64(getpid())), "version": .string(PerchVersion.current),
        ]
        if let identity = ProcessIdentity(of: getpid()) { facts["host"] = .string(identity.host) }
        return facts
    }

    /// Asks; where the thread of the role hangs, or has ended, there is no answer.
    func ask(_ answer: @escaping @Sendable (HealthDesk.Standing) -> Void) {
        reactor.submit { [self] in
            Task { answer(await standing()) }
        }
    }

    private func standing() async -> HealthDesk.Standing {
        do {
            // It writes nothing; but where nobody gets a turn to write, it fails. A full disk is seen by the lease.
            try await metastore.write { _ in }
            let (rows, drained, bundles, now) = try await metastore.read { snapshot in
                let drained = try snapshot.triggerers().filter(\.isDraining).map(\.process.processID)
                return (try snapshot.processes(role: nil), drained, try snapshot.workerBundles(), snapshot.now)
            }
            noteTrouble(nil)
            return standing(try ProcessIdentity.current(), rows, drained: Set(drained), bundles, now)
        } catch {
            noteTrouble("\(error)")
            var standing = HealthDesk.Standing()
            standing.fault = .metastore
            return standing
        }
    }

    /// What is well or not whatever its lease says: a bundle has its process, and an API server answers.
    private static let leaseless: Set<String> = ["bundle", APIServerRow.role]

    private func standing(
        _ identity: ProcessIdentity, _ rows: [ProcessRow], drained: Set<Int64>,
        _ bundles: [(worker: Int64, bundle: String, isUp: Bool)], _ now: Timestamp
    ) -> HealthDesk.Standing {
        let own = rows.filter { row in
            row.pid == identity.pid && row.startTime == identity.startTime && row.bootID == identity.bootID
                && row.host == identity.host && !Self.leaseless.contains(row.role)
        }
        let holdsAll = leased.allSatisfy { role in own.contains { $0.role == role } }
        let hasJoined = memory.withLock { memory in
            if holdsAll { memory.hasJoined = true }
            return memory.hasJoined
        }
        var standing = HealthDesk.Standing()
        standing.hasJoined = hasJoined
        standing.leaseUntil = own.map(\.leaseUntil).min()
        // A process of several roles has other work while its triggerer hands its waits over.
        standing.isDraining = leased == [TriggererRow.role] && own.contains { drained.contains($0.processID) }
        let ids = Set(own.map(\.processID))
        let served = bundles.filter { ids.contains($0.worker) }
        if served.count > 1 || served.contains(where: { !$0.isUp || $0.bundle != WorkerTerms.defaultBundle }) {
            standing.bundles = served.map { ($0.bundle, $0.isUp) }
        }
        if hasJoined, !holdsAll || own.contains(where: { $0.leaseUntil <= now }) { standing.fault = .lease }
        return standing
    }

    private func noteTrouble(_ trouble: String?) {
        let isNew = memory.withLock { memory in
            defer { memory.trouble = trouble }
            return memory.trouble != trouble
        }
        guard isNew else { return }
        if let trouble {
            log.warning("the metastore cannot be worked on", metadata: ["error": "\(trouble)"])
        } else {
            log.info("the metastore can be worked on again")
        }
    }
}
