// SPDX-License-Identifier: Apache-2.0

package import PerchReactor

/// Something that goes wrong in a history, as data: a failing history is shrunk by leaving faults out.
package struct Fault: Sendable, Hashable, CustomStringConvertible {
    /// When, in microseconds since the world began.
    package var at: Int64
    package var kind: Kind

    package init(at: Int64, _ kind: Kind) {
        self.at = at
        self.kind = kind
    }

    /// What goes wrong. Spans are in microseconds.
    package enum Kind: Sendable, Hashable {
        /// The engine's process is killed at once; a new one starts a while later.
        case kill
        /// It is killed at one of the next commits, before the COMMIT or when it has returned.
        case killAtCommit(Int, isBefore: Bool)
        /// It is killed at one of the next writes or syncs of the disk.
        case killAtDiskOperation(Int)
        /// The machine loses its power: every process dies, what was not synced may be lost or torn.
        case powerLoss
        case powerLossAtDiskOperation(Int)
        /// The engine is told to stop, as for a deployment, and started again.
        case restart
        /// The engine gets no time; longer than a lease, now and then.
        case stall(Int64)
        /// The triggerer that stands by gets no time, or is killed.
        case stallStandby(Int64)
        case killStandby
        /// The bundle dies, says nothing for a while, or sends what is no message.
        case killBundle
        case stallBundle(Int64)
        case garbageFromBundle
        /// For a while each message of a bundle comes a second time, later, with other content.
        case duplicateMessages(Int64)
        /// The wall clock is set forward or back.
        case clockJump(Int64)
        /// No room on the disk for a while.
        case diskFull(Int64)
        /// Writes to the disk fail for a while. (What syncs that fail may take is told in Failure model.)
        case diskErrors(Int64)
        /// Doorbells ring unheard for a while.
        case loseDoorbells(Int64)
        /// The queue of the file watches overflows.
        case watchOverflow
        /// No new watch is given for a while.
        case watchLimit(Int64)
        /// The HTTP servers hang, refuse, reset or talk nonsense for a while.
        case serverTrouble(Int64)
    }

    /// The names of the kinds, as the command line knows them.
    package static let names = [
        "kill", "kill-at-commit", "kill-at-disk", "power-loss", "power-loss-at-disk", "restart", "stall",
        "stall-standby", "kill-standby", "kill-bundle", "stall-bundle", "garbage", "duplicates", "clock-jump",
        "disk-full", "disk-errors", "lost-doorbells", "watch-overflow", "watch-limit", "server-trouble",
    ]

    /// A fault of a kind, drawn by a generator.
    package static func draw(_ name: String, at instant: Int64, using generator: inout LoopGenerator) -> Fault {
        func span(_ least: Int64, _ most: Int64) -> Int64 {
            Int64.random(in: least...most, using: &generator) * 1_000
        }
        func count(_ most: Int) -> Int { Int.random(in: 1...most, using: &generator) }
        let kind: Kind
        switch name {
        case "kill": kind = .kill
        case "kill-at-commit": kind = .killAtCommit(count(6), isBefore: Bool.random(using: &generator))
        case "kill-at-disk": kind = .killAtDiskOperation(count(12))
        case "power-loss": kind = .powerLoss
        case "power-loss-at-disk": kind = .powerLossAtDiskOperation(count(12))
        case "restart": kind = .restart
        case "stall": kind = .stall(span(100, 60_000))
        case "stall-standby": kind = .stallStandby(span(100, 60_000))
        case "kill-standby": kind = .killStandby
        case "kill-bundle": kind = .killBundle
        case "stall-bundle": kind = .stallBundle(span(100, 90_000))
        case "garbage": kind = .garbageFromBundle
        case "duplicates": kind = .duplicateMessages(span(1_000, 60_000))
        case "clock-jump": kind = .clockJump(span(-120_000, 120_000))
        case "disk-full": kind = .diskFull(span(100, 20_000))
        case "disk-errors": kind = .diskErrors(span(100, 20_000))
        case "lost-doorbells": kind = .loseDoorbells(span(1_000, 90_000))
        case "watch-overflow": kind = .watchOverflow
        case "watch-limit": kind = .watchLimit(span(1_000, 60_000))
        case "server-trouble": kind = .serverTrouble(span(1_000, 60_000))
        default: preconditionFailure("there is no fault '\(name)'")
        }
        return Fault(at: instant, kind)
    }

    package var description: String { "\(Double(at) / 1_000_000) s: \(kind)" }
}
