// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchMetastore

extension ProcessRow {
    /// Ends a recorded bundle whose engine is gone, and what it started. Returns whether there was anything to end.
    func endBundle(mark: String) -> Bool {
        guard isOfThisBoot else { return false }
        // Of a bundle that is gone only what carries its mark is ended: its session's number may be another's by now.
        let leads = isAliveHere
        if leads { kill(pid, SIGKILL) }
        let others = clinux_kill_session(pid, leads ? pid : 0, mark)
        return leads || others > 0
    }
}

extension ProcessIdentity {
    /// The process that started another one.
    static func parent(of pid: Int32) -> Int32? {
        var parent: pid_t = 0
        return clinux_parent(pid, &parent) == 0 ? parent : nil
    }
}
