// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchAPIServer
internal import PerchMetastore
internal import PerchSDK

struct UsersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "users", abstract: "Show and set who may log in to the API server, and what they may do.",
        discussion: """
            Roles, each of which may what those before it may: none; events: send events; viewer: look at everything; user: start \
            runs, pause DAGs, answer approvals; operator: start, end and repeat all work; admin: everything. A role is for all \
            DAGs; `users grant` gives another one for some.
            """,
        subcommands: [
            UsersListCommand.self, UsersCreateCommand.self, UsersSetPasswordCommand.self, UsersSetRoleCommand.self,
            UsersGrantCommand.self, UsersRevokeGrantCommand.self, UsersDisableCommand.self, UsersEnableCommand.self,
            UsersDeleteCommand.self,
        ])
}

struct UsersListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Every user, with what they may do.")

    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let users = try await home.withMetastore { _, metastore in
            try await metastore.read { try $0.accessUsers() }
        }
        var listing = Listing(output.format)
        try listing.add(
            users.map { user in
                [
                    "name": .text(user.name), "role": .text(user.rights.role.rawValue),
                    "grants": AccessChange.shown(user.rights.grants), "is_disabled": .flag(user.isDisabled),
                    "created_at": .instant(user.createdAt),
                ]
            })
        try listing.finish(empty: "no users")
    }
}

struct UsersCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a user.",
        discussion: "The password is asked for, or is the first line of standard input where that is no terminal.")

    @Argument(help: "The user's name.") var name: String
    @Option(name: .long, help: "What they may do: none, events, viewer, user, operator or admin.") var role: String
    @OptionGroup var home: HomeOption

    func validate() throws { _ = try AccessChange.role(role) }

    func run() async throws {
        let (name, role) = (name, try AccessChange.role(role))
        let password = try PasswordHash(NewPassword.read(for: name)).text
        try await AccessChange.perform(home, "users create", name, ["role": .string(role.rawValue)]) {
            try $0.createUser(name, password: password, role: role)
        }
        try AccessChange.tell("\(name) may log in, as \(role.rawValue)")
    }
}

struct UsersSetPasswordCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set-password", abstract: "Give a user another password, and end their sessions.",
        discussion: "The password is asked for, or is the first line of standard input where that is no terminal.")

    @Argument(help: "The user's name.") var name: String
    @OptionGroup var home: HomeOption

    func run() async throws {
        let name = name
        _ = try await home.withMetastore { _, metastore in try await metastore.read { try $0.knownUser(name) } }
        let password = try PasswordHash(NewPassword.read(for: name)).text
        try await AccessChange.perform(home, "users set-password", name) {
            try $0.setPassword(of: name, password)
        }
        try AccessChange.tell("\(name) has another password")
    }
}

struct UsersSetRoleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "set-role", abstract: "Give a user another role.")

    @Argument(help: "The user's name.") var name: String
    @Argument(help: "The role, for all DAGs.") var role: String
    @OptionGroup var home: HomeOption

    func validate() throws { _ = try AccessChange.role(role) }

    func run() async throws {
        let (name, role) = (name, try AccessChange.role(role))
        try await AccessChange.perform(home, "users set-role", name, ["role": .string(role.rawValue)]) {
            try $0.setRole(of: name, role)
        }
        try AccessChange.tell("\(name) is \(role.rawValue)")
    }
}

struct UsersGrantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grant", abstract: "Give a user a role for some DAGs alone.",
        discussion:
            "It adds to the role that they have for all. Who is to see some DAGs and no other has the role none.")

    @Argument(help: "The user's name.") var name: String
    @Argument(help: "The role.") var role: String
    @Argument(help: "The id of a DAG, with * for any characters and ? for one.") var pattern: String
    @OptionGroup var home: HomeOption

    func validate() throws { _ = try AccessChange.grant(role, pattern) }

    func run() async throws {
        let (name, grant) = (name, try AccessChange.grant(role, pattern))
        try await AccessChange.perform(
            home, "users grant", name,
            ["role": .string(grant.role.rawValue), "dags": .string(grant.pattern)]
        ) { try $0.grant(grant, to: name) }
        try AccessChange.tell("\(name) is \(grant.role.rawValue) for \(grant.pattern)")
    }
}

struct UsersRevokeGrantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke-grant", abstract: "Take back a role that a user has for some DAGs alone.")

    @Argument(help: "The user's name.") var name: String
    @Argument(help: "The DAGs, as they were given.") var pattern: String
    @OptionGroup var home: HomeOption

    func run() async throws {
        let (name, pattern) = (name, pattern)
        try await AccessChange.perform(home, "users revoke-grant", name, ["dags": .string(pattern)]) {
            try $0.revokeGrant(of: pattern, from: name)
        }
        try AccessChange.tell("\(name) has no role for \(pattern) alone any more")
    }
}

struct UsersDisableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable", abstract: "Let a user in no more, nor their tokens, until `users enable`.")

    @Argument(help: "The user's name.") var name: String
    @OptionGroup var home: HomeOption

    func run() async throws {
        let name = name
        try await AccessChange.perform(home, "users disable", name) { try $0.setDisabled(name, true) }
        try AccessChange.tell("\(name) is disabled")
    }
}

struct UsersEnableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "enable", abstract: "Let a user in again.")

    @Argument(help: "The user's name.") var name: String
    @OptionGroup var home: HomeOption

    func run() async throws {
        let name = name
        try await AccessChange.perform(home, "users enable", name) { try $0.setDisabled(name, false) }
        try AccessChange.tell("\(name) is enabled")
    }
}

struct UsersDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Remove a user, with their tokens and sessions.")

    @Argument(help: "The user's name.") var name: String
    @OptionGroup var home: HomeOption

    func run() async throws {
        let name = name
        try await AccessChange.perform(home, "users delete", name) { try $0.deleteUser(name) }
        try AccessChange.tell("\(name) is deleted")
    }
}
