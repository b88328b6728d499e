// SPDX-License-Identifier: Apache-2.0

internal import PerchAPIServer
internal import PerchSDK
internal import Synchronization

/// A command that begins when its turn comes, if somebody still listens then: its sender hears signs of life meanwhile.
final class QueuedCommand: StartedCommand {
    private enum Phase {
        case waiting
        case running(RunningCommand)
        case over(CommandNews)
    }

    private let turns: Turns
    private let ticket: Turns.Ticket
    private let begin: @Sendable (Turns.Turn) throws -> RunningCommand
    private let phase = Mutex(Phase.waiting)

    init(_ turns: Turns, _ ticket: Turns.Ticket, begin: @escaping @Sendable (Turns.Turn) throws -> RunningCommand) {
        self.turns = turns
        self.ticket = ticket
        self.begin = begin
    }

    func next(within span: TimeSpan) async -> CommandNews {
        if case .waiting = phase.withLock({ $0 }) {
            guard let turn = await turns.take(ticket, within: span) else { return .silence }
            phase.withLock { phase in
                // Whoever went away meanwhile has nothing done.
                guard case .waiting = phase else { return }
                do {
                    phase = .running(try begin(turn))
                } catch {
                    phase = .over(.failed((error as? PerchError)?.message ?? "\(error)"))
                }
            }
        }
        switch phase.withLock({ $0 }) {
        case .running(let command): return await command.next(within: span)
        case .over(let news): return news
        case .waiting: return .silence
        }
    }

    func abandon() {
        turns.leave(ticket)
        let running = phase.withLock { phase -> RunningCommand? in
            switch phase {
            case .running(let command): return command
            case .over: return nil
            case .waiting:
                phase = .over(.failed("nobody listens any more"))
                return nil
            }
        }
        running?.abandon()
    }
}
