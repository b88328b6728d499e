// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import NIOCore
import PerchSDK

/// Two questions: whether the process is to be left alone (`/health`), and whether it does its work now (`/ready`).
extension EventAPI {
    /// `GET /health`: 503 where the process cannot do what it is for, and starting it anew may help.
    func health(on loop: any EventLoop) async -> APIAnswer {
        let standing = await standing(on: loop)
        return answer(problem(standing), standing, well: "alive")
    }

    /// `GET /ready`: 503 also before it has begun, and while it hands over what it has.
    func ready(on loop: any EventLoop) async -> APIAnswer {
        let standing = await standing(on: loop)
        let hindrance: Problem? =
            switch (stage, standing) {
            case (.stopping, _): ("stopping", "it ends, and takes nothing more")
            case (.draining, _): ("draining", "it ends soon, and is to be sent nothing more")
            case (.starting, _): ("starting", "it has not begun to work yet")
            case (.ready, let standing?) where standing.fault == nil && !standing.hasJoined:
                ("starting", "it has not taken its part yet")
            case (.ready, let standing?) where standing.fault == nil && standing.isDraining:
                ("draining", "it was told to hand over what it has")
            case (.ready, _): nil
            }
        return answer(hindrance ?? problem(standing), standing, well: "ready")
    }

    private typealias Problem = (status: String, reason: String)

    /// One that ends is asked nothing more: its thread may have ended before it.
    private func standing(on loop: any EventLoop) async -> HealthDesk.Standing? {
        stage == .stopping ? HealthDesk.Standing() : await desk.standing(on: loop)
    }

    private func problem(_ standing: HealthDesk.Standing?) -> Problem? {
        guard let standing else {
            return ("behind", "the role or the metastore has not answered for \(desk.patience)")
        }
        switch standing.fault {
        case .metastore: return ("behind", "the metastore cannot be worked on, as the log says")
        case .lease: return ("lost", "its lease has ended: what it held is others' by now")
        case nil: return isBehind ? ("behind", "commits have been under way for \(limits.commitTime)") : nil
        }
    }

    private func answer(_ problem: Problem?, _ standing: HealthDesk.Standing?, well: String) -> APIAnswer {
        var members = desk.facts
        members["status"] = .string(problem?.status ?? well)
        if let problem { members["reason"] = .string(problem.reason) }
        if desk.isAttached, stage != .stopping {
            let hasAnswered = standing.map { $0.fault != .metastore } ?? false
            members["metastore"] = hasAnswered && !isBehind ? "reachable" : "unreachable"
            if let until = standing?.leaseUntil { members["lease_until"] = .string(until.description) }
            // A bundle that does not come up is its team's concern, and no reason to end the process.
            if let bundles = standing?.bundles, !bundles.isEmpty {
                members["bundles"] = .object(
                    Dictionary(bundles.map { ($0.name, $0.isUp ? "up" : "down") }, uniquingKeysWith: { $1 }))
            }
        }
        guard problem != nil else { return APIAnswer(.ok, .object(members)) }
        var answer = APIAnswer(.serviceUnavailable, .object(members))
        answer.fields[.retryAfter] = "1"
        return answer
    }
}
