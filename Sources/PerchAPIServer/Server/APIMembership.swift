// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import PerchMetastore
import PerchSDK

/// An API server's place in the table of processes. It holds nothing by it: the row tells people and commands that it lives.
/// One that stood still past its lease was forgotten by a scheduler, and registers anew.
actor APIMembership {
    private let metastore: Metastore
    private let version: String
    private let lease: TimeSpan
    private let log: Logger
    private var process: Int64?
    private var beat: RepeatedTask?
    private var renewal: Task<Void, Never>?
    private var hasLeft = false

    /// A place that nobody has taken yet.
    ///
    /// - Parameters:
    ///   - version: That of the program.
    ///   - lease: How long it is taken for alive without having said so; it says so three times in that.
    init(metastore: Metastore, version: String, lease: TimeSpan, log: Logger) {
        self.metastore = metastore
        self.version = version
        self.lease = lease
        self.log = log
    }

    /// Registers, and renews the lease on the server's thread until `leave`.
    func join(on loop: any EventLoop) async {
        await renew()
        guard !hasLeft, beat == nil else { return }
        let pause = TimeAmount.microseconds(max(1, lease.microseconds / 3))
        beat = loop.scheduleRepeatedAsyncTask(initialDelay: pause, delay: pause) { _ in
            loop.makeFutureWithTask { await self.renew() }
        }
    }

    /// Gives the place up.
    func leave() async {
        hasLeft = true
        beat?.cancel()
        beat = nil
        await renewal?.value
        guard let process else { return }
        self.process = nil
        do {
            try await metastore.write { try $0.removeProcess(process) }
        } catch {
            log.warning("this API server is listed until its lease ends", metadata: ["error": "\(error)"])
        }
    }

    private func renew() async {
        guard !hasLeft, renewal == nil else { return }
        let turn = Task { await hold() }
        renewal = turn
        await turn.value
        renewal = nil
    }

    private func hold() async {
        let (old, lease, version) = (process, lease, version)
        do {
            let identity = try ProcessIdentity.current()
            let number = try await metastore.write { transaction in
                if let old, try transaction.renewLease(old, lease: lease) { return old }
                return try transaction.registerAPIServer(identity, version: version, lease: lease)
            }
            process = number
            if let old, old != number { log.notice("this API server was taken for dead; it is registered anew") }
        } catch {
            log.warning("this API server could not renew its lease; it tries again", metadata: ["error": "\(error)"])
        }
    }
}
