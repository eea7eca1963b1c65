INSERT INTO Property (Property, Value) VALUES ('SecureCustomProperties', '@SECURE@')
UPDATE CustomAction SET Type=51 WHERE Type=2099
UPDATE Component SET Condition='CONFIG OR REMOVE' WHERE Component='Config'
UPDATE Component SET Condition='TOKEN OR REMOVE' WHERE Component='Token'
UPDATE File SET Version='@VERSION@.0', Language='1033', FileName='DISCRE~1.EXE|discreet-agent.exe' WHERE File='Agent.exe'
DELETE FROM MsiFileHash WHERE File_='Agent.exe'
UPDATE File SET FileName='EMPLOY~1.TXT|employee.de.txt' WHERE File='EmployeeDe'
UPDATE Shortcut SET Name='WHATLE~1|What leaves this device' WHERE Shortcut='Menu'
UPDATE Shortcut SET ShowCmd=7 WHERE Shortcut='Menu'
UPDATE Registry SET Value='#%%SystemRoot%\System32\EventCreate.exe' WHERE Name='EventMessageFile'
INSERT INTO Registry (Registry, Root, `Key`, Name, Value, Component_) VALUES ('Token', 2, 'SOFTWARE\Discreet\Enrollment', 'Token', '[TOKEN]', 'Token')
UPDATE Component SET KeyPath='Token', Attributes=260 WHERE Component='Token'
INSERT INTO Registry (Registry, Root, `Key`, Name, Component_) VALUES ('Rest', 2, 'SOFTWARE\Discreet', '-', 'State')
INSERT INTO Upgrade (UpgradeCode, VersionMax, Attributes, ActionProperty) VALUES ('{@OWN@}', '@VERSION@', 0, 'OLDERFOUND')
INSERT INTO Upgrade (UpgradeCode, VersionMin, Attributes, ActionProperty) VALUES ('{@OWN@}', '@VERSION@', 2, 'NEWERFOUND')
INSERT INTO Upgrade (UpgradeCode, VersionMax, Attributes, ActionProperty) VALUES ('{@OTHER@}', '@VERSION@', 512, 'OTHERFOUND')
INSERT INTO Upgrade (UpgradeCode, VersionMin, Attributes, ActionProperty) VALUES ('{@OTHER@}', '@VERSION@', 2, 'OTHERNEWERFOUND')
INSERT INTO InstallUISequence (Action, Sequence) VALUES ('FindRelatedProducts', 25)
INSERT INTO InstallExecuteSequence (Action, Sequence) VALUES ('FindRelatedProducts', 25)
INSERT INTO InstallExecuteSequence (Action, Sequence) VALUES ('MoveFiles', 3800)
INSERT INTO InstallExecuteSequence (Action, Sequence) VALUES ('InstallExecute', 6500)
INSERT INTO InstallExecuteSequence (Action, Sequence) VALUES ('RemoveExistingProducts', 6550)
UPDATE InstallExecuteSequence SET Condition='VersionNT AND NOT NOSTART' WHERE Action='StartServices'
CREATE TABLE MoveFile (FileKey CHAR(72) NOT NULL, Component_ CHAR(72) NOT NULL, SourceName CHAR(255) LOCALIZABLE, DestName CHAR(255) LOCALIZABLE, SourceFolder CHAR(72), DestFolder CHAR(72) NOT NULL, Options SHORT NOT NULL PRIMARY KEY FileKey)
INSERT INTO MoveFile (FileKey, Component_, DestName, SourceFolder, DestFolder, Options) VALUES ('Config', 'Config', '10-INS~1.YAM|10-install.yaml', 'CONFIG', 'ConfDir', 0)
CREATE TABLE MsiLockPermissionsEx (MsiLockPermissionsEx CHAR(72) NOT NULL, LockObject CHAR(72) NOT NULL, `Table` CHAR(32) NOT NULL, SDDLText CHAR(0) NOT NULL, Condition CHAR(255) PRIMARY KEY MsiLockPermissionsEx)
INSERT INTO MsiLockPermissionsEx (MsiLockPermissionsEx, LockObject, `Table`, SDDLText) VALUES ('Data', 'DataDir', 'CreateFolder', 'O:SYG:SYD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)')
INSERT INTO MsiLockPermissionsEx (MsiLockPermissionsEx, LockObject, `Table`, SDDLText) VALUES ('State', 'StateDir', 'CreateFolder', 'O:SYG:SYD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)')
INSERT INTO MsiLockPermissionsEx (MsiLockPermissionsEx, LockObject, `Table`, SDDLText) VALUES ('Token', 'Token', 'Registry', 'O:SYG:SYD:P(A;CI;KA;;;SY)(A;CI;KA;;;BA)')
CREATE TABLE RemoveRegistry (RemoveRegistry CHAR(72) NOT NULL, Root SHORT NOT NULL, `Key` CHAR(255) NOT NULL LOCALIZABLE, Name CHAR(255) LOCALIZABLE, Component_ CHAR(72) NOT NULL PRIMARY KEY RemoveRegistry)
CREATE TABLE ActionText (Action CHAR(72) NOT NULL, Description CHAR(0) LOCALIZABLE, Template CHAR(0) LOCALIZABLE PRIMARY KEY Action)
INSERT INTO ActionText (Action, Description, Template) VALUES ('WriteRegistryValues', 'Writing settings', 'Key: [1], Name: [2]')
INSERT INTO CustomAction (Action, Type, Source) VALUES ('ForgetToken', 51, 'TOKEN')
INSERT INTO InstallExecuteSequence (Action, Sequence) VALUES ('ForgetToken', 6601)
@CONDITIONS@
@WIPES@
