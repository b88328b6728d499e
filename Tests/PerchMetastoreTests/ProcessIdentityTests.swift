// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("Processes are told apart by more than their number", .onEveryGround)
struct ProcessIdentityTests {
    @Test("This process is alive, and one recorded under its number with another start time is not")
    func alive() throws {
        let processes = SystemProcesses()
        let own = try ProcessIdentity.current()
        #expect(own == ProcessIdentity(of: getpid()))
        var row = ProcessRow(own)
        #expect(processes.isAlive(row) && !processes.hasEnded(row))
        row.startTime += 1
        #expect(!processes.isAlive(row) && processes.hasEnded(row))
        row.host = "elsewhere"
        #expect(!processes.isAlive(row) && !processes.hasEnded(row))
    }

    @Test("A process that has ended counts as ended although its parent has not collected it")
    func uncollected() throws {
        var pid: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("true"), nil]
        defer { free(arguments[0]) }
        try #require(posix_spawn(&pid, "/bin/true", nil, nil, &arguments, environ) == 0)
        var status = siginfo_t()
        try #require(waitid(P_PID, id_t(pid), &status, WEXITED | WNOWAIT) == 0)
        #expect(ProcessIdentity(of: pid) == nil)
        waitpid(pid, nil, 0)
    }
}

extension ProcessRow {
    fileprivate init(_ identity: ProcessIdentity) {
        self.init(
            processID: 1, role: "triggerer", pid: identity.pid, startTime: identity.startTime, bootID: identity.bootID,
            host: identity.host, startedAt: .init(microseconds: 0), leaseUntil: .init(microseconds: 0))
    }
}
