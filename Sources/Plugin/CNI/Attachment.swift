public import Attachments

/// One interface of one container: the owner of a plugin's resources within the network.
public typealias Attachment = Attachments.Attachment
